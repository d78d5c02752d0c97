from __future__ import annotations

import numpy as np
import pytest

from evaluation.aggregate import (
    difference,
    fold_metrics,
    gain,
    mean_over_folds,
    metrics_with_intervals,
    spreads,
)
from evaluation.protocols.base import Measured, Values


def measured(hits: list[float], first_video: int = 0, **numbers: float) -> Measured:
    return Measured({"top1": Values(np.array(hits), np.arange(len(hits)) + first_video)}, dict(numbers))


def test_mean_over_folds_is_a_mean_of_folds() -> None:
    folds = [measured([1, 1, 0, 0], C=0.1), measured([1, 1], 4, C=1.0)]
    assert [fold_metrics(fold) for fold in folds] == [{"top1": 0.5, "C": 0.1}, {"top1": 1.0, "C": 1.0}]
    found = metrics_with_intervals(folds, 500, 0)
    assert found["top1"] == 0.75
    assert found["C"] == pytest.approx(0.55)
    assert 0.0 < found["top1_low"] < 4 / 6 < found["top1_high"] <= 1.0
    assert "C_low" not in found


def test_metrics_that_a_fold_lacks_are_left_out() -> None:
    assert mean_over_folds([{"R@1": 0.2, "R@50": 1.0}, {"R@1": 0.4}]) == {"R@1": pytest.approx(0.3)}


def test_gain_is_paired() -> None:
    rng = np.random.default_rng(0)
    reference = (rng.random(200) < 0.5).astype(float)
    better = reference.copy()
    better[np.flatnonzero(reference == 0)[:20]] = 1.0  # right wherever the reference is, and 20 times more
    found = gain("top1", [measured(better.tolist())], [measured(reference.tolist())], 500, 0)
    assert found["top1_gain"] == pytest.approx(0.1)
    assert 0.05 < found["top1_gain_low"] < found["top1_gain_high"] < 0.15
    same = gain("top1", [measured([1, 0, 1])], [measured([1, 0, 1])], 100, 0)
    assert same == {"top1_gain": 0.0, "top1_gain_low": 0.0, "top1_gain_high": 0.0}


def test_intervals_are_drawn_over_groups_where_there_are_any() -> None:
    groups = np.repeat(np.arange(20), 10)
    hits = np.repeat((np.arange(20) < 12).astype(float), 10)  # a group is right or wrong as a whole
    alone = metrics_with_intervals([measured(hits.tolist())], 1000, 0)
    grouped = metrics_with_intervals([measured(hits.tolist())], 1000, 0, groups)
    assert alone["top1"] == grouped["top1"] == pytest.approx(0.6)
    assert grouped["top1_high"] - grouped["top1_low"] > 2 * (alone["top1_high"] - alone["top1_low"])


def test_spread_over_folds_and_over_seeds() -> None:
    folds = [measured([1, 1]), measured([1, 0]), measured([1, 0]), measured([0, 0])]
    places = [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    # folds: (1 + .5) / 2 and (.5 + 0) / 2; seeds: (1 + .5) / 2 and (.5 + 0) / 2
    expected = float(np.std([0.75, 0.25], ddof=1))
    assert spreads(folds, places) == pytest.approx({"top1_std": expected, "top1_seed_std": expected})
    assert spreads(folds[:2], places[:2]) == pytest.approx({"top1_std": float(np.std([1, 0.5], ddof=1))})
    assert spreads(folds[:1], places[:1]) == {}


def test_exports_that_saw_other_clips_are_paired_by_video() -> None:
    own = Measured({"clip": Values(np.array([1.0, 1, 0, 1]), np.array([0, 0, 1, 1]))})
    other = Measured({"clip": Values(np.array([1.0, 0, 0]), np.array([0, 1, 1]))})
    found = difference("clip", [own], [other], 200, 0)
    assert found["value"] == pytest.approx((0.0 + 0.5) / 2)
    assert found["p"] is None and found["groups"] == 2
    same = difference("clip", [own], [own], 200, 0)
    assert same == {"value": 0.0, "low": 0.0, "high": 0.0, "p": None, "groups": 2}


def test_differences_and_intervals_are_of_the_mean_over_folds() -> None:
    own = [measured([1, 1, 1, 1]), measured([1, 0], 4)]
    other = [measured([1, 1, 0, 0]), measured([0, 0], 4)]
    means = [metrics_with_intervals(folds, 200, 0)["top1"] for folds in (own, other)]
    assert means == pytest.approx([0.75, 0.25])
    assert difference("top1", own, other, 200, 0)["value"] == pytest.approx(means[0] - means[1])
    # Many in one fold weigh as much as few in another: both intervals are around the mean of the two.
    lopsided = [measured([1.0] * 200 + [0.0] * 200), measured(([1.0] * 9 + [0.0]) * 2, 400)]
    found = metrics_with_intervals(lopsided, 500, 0)
    assert found["top1"] == pytest.approx(0.7)
    assert 0.6 < found["top1_low"] < 0.7 < found["top1_high"] < 0.8
