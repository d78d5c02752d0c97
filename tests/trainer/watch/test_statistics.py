"""Workers' statistics add up to those of all their videos, whatever one of them lacks."""

from __future__ import annotations

import pytest
import torch

from trainer.watch.positives import SameLabel
from trainer.watch.rank import Moments
from trainer.watch.similarity import compare
from trainer.watch.statistics import Statistics


def features(rows: int) -> torch.Tensor:
    return torch.nn.functional.normalize(
        torch.randn(rows, 6, generator=torch.Generator().manual_seed(rows)), dim=1
    )


def test_workers_add_up():
    first, second, sound = features(30), features(20), features(25)
    one = Statistics(
        {"vv": compare(first, first, torch.arange(30))},
        {"vv": SameLabel(10, 5.0, 1.0)},
        {"v_vv": Moments.of(first)},
    )
    other = Statistics(
        {"vv": compare(second, second, torch.arange(20)), "va": compare(sound, sound, torch.arange(25))},
        {"vv": SameLabel(30, 5.0, 3.0)},
        {"v_vv": Moments.of(second), "a_va": Moments.of(sound)},
    )
    metrics = (one + other).metrics()
    assert metrics == pytest.approx((other + one).metrics())
    both = Moments.of(torch.cat([first, second])).metrics("v_vv")
    assert {name: metrics[name] for name in both} == pytest.approx(both)
    assert metrics["rank/a_va"] == other.metrics()["rank/a_va"]  # the first worker had no sound
    assert metrics["similarity/vv_positive"] == pytest.approx(1.0)
    assert metrics["similarity/va_positive"] == pytest.approx(1.0)
    assert (metrics["positives/vv_same_label"], metrics["positives/vv_same_label_random"]) == (0.25, 0.1)
    assert metrics["positives/vv_n"] == 40


def test_only_projections_collapse():
    flat = Moments.of(torch.ones(50, 4))
    found = Statistics(moments={"video": flat, "v_vv": flat, "a_va": Moments.of(features(50))})
    assert found.collapses(2.0) == {"v_vv": pytest.approx(1.0)}
