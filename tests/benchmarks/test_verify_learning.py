from __future__ import annotations

import pytest

from benchmarks.verify_learning import HEAD_GOALS, PROBES, head_rows, probe_rows


def accuracies(low: float, value: float = 0.9) -> dict:
    one = {"value": value, "low": low, "high": 0.95, "chance": 0.5, "duration_baseline": 0.5, "n": 10}
    return dict.fromkeys(HEAD_GOALS, one)


def test_a_head_counts_only_with_its_whole_interval_above_chance():
    rows, ok = head_rows(accuracies(0.6))
    assert ok
    assert len(rows) == 7
    assert not head_rows(accuracies(0.6, value=0.65))[1]  # above chance, short of a goal
    rows, ok = head_rows(accuracies(0.4))
    assert not ok
    assert "**no**" in rows[0]


@pytest.mark.parametrize(
    ("value", "gain_low", "expected"), [(0.8, 0.1, True), (0.8, -0.1, False), (0.72, 0.1, False)]
)
def test_features_count_only_with_their_whole_gain_above_random_weights(value, gain_low, expected):
    evaluations: dict = {}
    for protocol, metric, *_ in PROBES:
        outcome = evaluations.setdefault(
            protocol, {"metrics": {}, "baselines": {"random_weights": {}, "chance": {}}}
        )
        outcome["metrics"] |= {metric: value, f"{metric}_gain_low": gain_low}
        outcome["baselines"]["random_weights"][metric] = 0.3
    rows, ok = probe_rows(evaluations)
    assert ok == expected
    assert len(rows) == len(PROBES)
