"""The vote of nearest neighbours on cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.watch.knn import Asked, knn_top1


def angles(*degrees: float) -> np.ndarray:
    at = np.deg2rad(degrees)
    return np.stack([np.cos(at), np.sin(at)], axis=1)


def asked(label, unit=None, query=None, gallery=None) -> Asked:
    n = len(label)
    every = np.ones(n, bool)
    return Asked(
        np.array(label),
        np.arange(n) if unit is None else np.array(unit),
        every if query is None else np.array(query, bool),
        every if gallery is None else np.array(gallery, bool),
    )


def test_each_video_is_classified_by_all_others():
    # Two pairs, and one that lies among the others' label.
    found = knn_top1(angles(0, 5, 90, 95, 3), asked([0, 0, 1, 1, 1]))
    assert found is not None
    assert found["n"] == 5
    assert found["value"] == pytest.approx(2 / 5)  # at 0, 5 and 3 degrees the nearest are of the other label
    # Random neighbours: label 0 has 1 of 4 alike, label 1 has 2 of 4.
    assert found["chance"] == pytest.approx((2 * 1 / 4 + 3 * 2 / 4) / 5)


def test_a_video_is_no_neighbour_of_itself_nor_of_its_group():
    features = angles(0, 1, 40, 44)
    assert knn_top1(features, asked([0, 0, 1, 1]))["value"] == 1.0
    # The first two are of one group: each has none of its label left.
    grouped = knn_top1(features, asked([0, 0, 1, 1], unit=[9, 9, 2, 3]))
    assert grouped["value"] == 0.5
    assert grouped["chance"] == pytest.approx((0 + 0 + 1 / 3 + 1 / 3) / 4)


def test_an_official_split_asks_its_test_part_among_its_train_part():
    features = angles(0, 90, 10, 80, 85)
    test = [0, 0, 1, 1, 1]
    found = knn_top1(features, asked([0, 1, 0, 1, 0], query=test, gallery=[not t for t in test]))
    assert found == {"value": pytest.approx(2 / 3), "chance": 0.5, "n": 3}


def test_near_votes_weigh_more_than_many_far_ones():
    # One neighbour at 0 degrees against three at 60: exp(1 / 0.07) against 3 exp(0.5 / 0.07).
    found = knn_top1(
        angles(0, 0, 60, 60, 60), asked([0, 0, 1, 1, 1], query=[1, 0, 0, 0, 0], gallery=[0, 1, 1, 1, 1])
    )
    assert found["value"] == 1.0


def test_random_features_score_about_chance():
    rng = np.random.default_rng(0)
    found = knn_top1(rng.normal(size=(1000, 32)), asked(rng.integers(0, 5, 1000)))
    assert found["chance"] == pytest.approx(0.2, abs=0.01)
    assert found["value"] == pytest.approx(found["chance"], abs=4 * (0.2 * 0.8 / 1000) ** 0.5)


def test_no_neighbours_is_no_score():
    assert knn_top1(angles(0, 1), asked([0, 0], unit=[4, 4])) is None
