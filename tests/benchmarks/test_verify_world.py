"""The page of the generated world: means, spreads, differences, and when pre-training counts as shown."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import verify_world
from benchmarks.world_page import page, protocols_of, shown


def result(seed: int, value: float = 0.5, low: float = 0.1) -> dict[str, Any]:
    gap = {"value": value - 0.2, "low": low, "high": 0.6, "p": 0.01, "groups": 33}
    one = {
        "protocol": "retrieval",
        "protocol_text": "nearest by cosine; seed 11; n = 154",
        "main": "R@1",
        "metrics": {"R@1": value, "R@1_low": 0.4, "R@1_high": 0.6, "R@5": 0.9, "R@1_gain": 0.3},
        "baselines": {"random_weights": {"R@1": 0.2, "R@5": 0.4}, "chance": {"R@1": 1 / 11}},
        "differences": {"random_weights": {"R@1": gap}},
        "splits": [{"n_test": 154}],
    }
    return {
        "seed": seed,
        "digest": "d0958d0f",
        "source": "pre-trained by this command",
        "steps": 600,
        "evaluate_seconds": 60.0,
        "left_out": {},
        "protocols": {"retrieval": one},
    }


def test_the_page_has_every_metric_with_its_spread_and_differences() -> None:
    text = page("Measured.", [result(11, 0.4), result(12, 0.5), result(13, 0.6, low=-0.1)])
    assert "| 11 | `d0958d0f` | pre-trained by this command | 154 |" in text
    assert "## Video retrieval" in text
    # 0.2, 0.3 and 0.4 above: mean 0.3, standard error 0.1 / sqrt(3), t of two degrees of freedom 4.303
    assert (
        "| R@1 | 0.50 ± 0.10 (0.40, 0.50, 0.60) | 0.20 ± 0.00 (0.20, 0.20, 0.20) | 0.09 "
        "| +0.30 [+0.05, +0.55], 2 of 3 |"
    ) in text
    assert "| R@5 | 0.90 ± 0.00 (0.90, 0.90, 0.90) | 0.40 ± 0.00 (0.40, 0.40, 0.40) | – | – |" in text
    assert "gain" not in text
    assert "nearest by cosine; seed: that of the world; n = 154." in text
    assert "below chance" not in text
    assert "below chance on average in: R@1." in page("Measured.", [result(11, 0.05), result(12, 0.1)])
    assert "paired interval: Video retrieval **with 2 of 3 seeds**." in text


def test_pre_training_is_shown_only_with_every_seed_and_protocol() -> None:
    good, bad = result(11), result(12, low=0.0)
    assert shown([good])
    assert not shown([good, bad])
    without = copy.deepcopy(good) | {"left_out": {"crossmodal": "no space that video and sound share"}}
    assert not shown([good, without])
    assert "Left out: crossmodal: no space" in page("Measured.", [without])
    more = copy.deepcopy(good)
    more["protocols"]["audio"] = more["protocols"]["retrieval"]
    assert protocols_of([good, more]) == ["retrieval"]


def test_a_kept_outcome_of_another_config_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = result(11) | {"current": verify_world.current(tmp_path, 11)}
    verify_world.result_file(tmp_path, 11).write_text(json.dumps(kept))
    assert verify_world.kept(tmp_path, 11) == kept
    assert verify_world.kept(tmp_path, 12) is None
    monkeypatch.setattr(verify_world, "CLIPS", 3)
    assert verify_world.kept(tmp_path, 11) is None
