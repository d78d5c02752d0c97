from __future__ import annotations

import numpy as np
import simplejpeg

from evaluation.pages.feature_map import MOST_VIDEOS, can_be_drawn, drawn, lay_out, mosaic


def test_groups_stay_together_and_it_is_the_same_twice() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 20)) * 4
    features = np.repeat(centres, 12, axis=0) + rng.normal(size=(36, 20)) * 0.3
    places, variance = lay_out(features, 0)
    again, _ = lay_out(features, 0)
    assert list(places) == ["t-SNE", "PCA"]
    assert 0.9 < variance <= 1.0
    group = np.repeat(np.arange(3), 12)
    for way, found in places.items():
        assert found.shape == (36, 2)
        assert found.min() >= 0
        assert found.max() <= 1
        np.testing.assert_array_equal(found, again[way])
        distance = np.linalg.norm(found[:, None] - found[None], axis=-1) + np.eye(36) * 9
        assert (group[distance.argmin(axis=1)] == group).all(), way


def test_lengths_do_not_count() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(8, 5))
    places, _ = lay_out(features, 0)
    longer, _ = lay_out(features * rng.uniform(1, 9, size=(8, 1)), 0)
    assert list(places) == ["PCA"], "of few points PCA is enough"
    np.testing.assert_allclose(places["PCA"], longer["PCA"], atol=1e-6)


def test_all_the_same_is_one_dot() -> None:
    places, variance = lay_out(np.ones((5, 4)), 0)
    assert np.allclose(places["PCA"], 0.5)
    assert variance == 0.0


def test_few_are_all_drawn_and_many_by_lot() -> None:
    assert drawn(7, 0) == list(range(7))
    many = drawn(5000, 0)
    assert len(set(many)) == MOST_VIDEOS
    assert many == drawn(5000, 0) != drawn(5000, 1)
    assert not can_be_drawn(np.ones((2, 9)))
    assert not can_be_drawn(np.ones((9, 1)))


def test_squares_of_the_mosaic_are_in_the_order_of_points() -> None:
    shades = [0, 80, 160, 240, 40]
    pictures = [np.full((64, 64, 3), shade, np.uint8) for shade in shades]
    pictures[2] = np.empty(0, np.uint8)
    data, columns = mosaic(pictures)
    assert columns == 3
    assert data is not None
    sheet = simplejpeg.decode_jpeg(data)
    assert sheet.shape == (128, 192, 3)
    found = [int(sheet[i // 3 * 64 + 32, i % 3 * 64 + 32, 0]) for i in range(5)]
    np.testing.assert_allclose(found, [0, 80, 0, 240, 40], atol=3)
    assert mosaic([pictures[2]]) == (None, 1)
