"""The probe's benchmark at a small size: the features have the shape they say, and both fits are told alike."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from benchmarks import linear_probe
from benchmarks.linear_probe import CLIPS, FEATURES, GROUPS, WORLDS, along_c, features, table_of
from evaluation.config import EvaluateConfig


@pytest.mark.parametrize("world", WORLDS)
def test_training_and_test_videos_share_no_group(world: str) -> None:
    x, data = features(world, learnt=303, asked=101)
    assert x.shape == (404 * CLIPS, FEATURES)
    assert x.min() == 0 < x.max()
    assert (data.train.size, data.test.size) == (303, 101)
    assert not set(data.groups[data.train]) & set(data.groups[data.test])
    assert np.bincount(data.owner).tolist() == [CLIPS] * 404
    assert len(set(data.labels)) == 101


def test_both_fits_are_timed_and_told_for_each_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_probe, "CLASSES", 3)
    monkeypatch.setattr(linear_probe, "FEATURES", 16)
    x, data = features("told well", learnt=3 * GROUPS, asked=6)
    config = EvaluateConfig(c_grid=[0.1, 0.001])
    with threadpool_limits(1):
        before, now = along_c(x, data, config)
    assert len(before) == len(now) == 2
    for old, new in zip(before, now, strict=True):
        assert new.loss <= old.loss + 1e-6
        assert new.right == pytest.approx(old.right, abs=0.05)
        assert old.iterations > 0 < new.cpu_s
    rows = table_of(before, now, config).splitlines()
    assert len({row.count("|") for row in rows}) == 1
    assert rows[2].startswith("| 0.001 |")
