from __future__ import annotations

import numpy as np
import pytest

from evaluation.aggregate import fold_metrics, gain, mean_over_folds, metrics_with_intervals
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
