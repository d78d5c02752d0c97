"""Shapes and their pasting, against slow supersampled references."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.world.look import SHAPES, Thing
from pipelines.world.render import mask, paste

WHITE = np.ones(3)


def pasted(shape: str, centre: tuple[float, float], radius: float, size: int = 40) -> np.ndarray:
    frames = np.zeros((1, size, size, 3), np.uint8)
    paste(frames, Thing(shape, WHITE, 0.4), np.array([centre]), np.array([radius]))
    return frames[0, :, :, 0] / 255.0


@pytest.mark.parametrize("shape", SHAPES)
def test_coverage_equals_a_supersampled_mask(shape: str) -> None:
    radius, fine = 8.0, 16
    axis = (np.arange(32 * fine) + 0.5) / fine - 16.0
    inside = mask(shape, axis[None, :] * fine, axis[:, None] * fine, np.float64(radius * fine)) > 0.5
    reference = inside.reshape(32, fine, 32, fine).mean(axis=(1, 3))
    pixel = np.arange(32) + 0.5 - 16.0
    analytic = mask(shape, pixel[None, :], pixel[:, None], np.float64(radius))
    assert np.abs(analytic - reference).max() < 0.3  # a ramp rounds corners
    assert np.abs(analytic - reference).mean() < 0.01
    assert analytic.sum() == pytest.approx(reference.sum(), rel=0.03)


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_have_like_areas(shape: str) -> None:
    area = pasted(shape, (20.0, 20.0), 8.0).sum()
    disc = np.pi * (0.95 * 8.0) ** 2
    assert 0.75 * disc < area < 1.25 * disc


def test_places_are_sub_pixel() -> None:
    for x in (14.0, 14.3, 14.77):
        coverage = pasted("disc", (x, 21.4), 5.0)
        columns, rows = coverage.sum(axis=0), coverage.sum(axis=1)
        pixel = np.arange(40) + 0.5
        assert columns @ pixel / columns.sum() == pytest.approx(x, abs=0.02)
        assert rows @ pixel / rows.sum() == pytest.approx(21.4, abs=0.02)


def test_beyond_the_border_is_cut_off() -> None:
    whole = pasted("square", (20.0, 20.0), 6.0)
    half = pasted("square", (0.0, 20.0), 6.0)
    assert half.sum() == pytest.approx(whole.sum() / 2, rel=0.02)
