"""The page of the fine-tuning study, from results that are made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import verify_finetune as study


def result(labels: int, low: float = 0.1) -> dict[str, Any]:
    def row(own: float) -> dict[str, Any]:
        others = {"from_scratch": {"top1_video": 0.25}, "frozen_linear": {"top1_video": 0.5}}
        return {"n_test": 88, "metrics": {"top1_video": own}, "baselines": others}

    def summary(value: float) -> dict[str, float]:
        return {"top1_video": value, "top1_video_seed_std": 0.05}

    return {
        "labels": labels,
        "splits": [row(0.55), row(0.6), row(0.65)],
        "metrics": summary(0.6),
        "baselines": {
            "from_scratch": summary(0.25),
            "frozen_linear": summary(0.5),
            "chance": {"top1_video": 1 / 11},
        },
        "differences": {
            "from_scratch": {"top1_video": {"value": 0.35, "low": low, "high": 0.5, "p": 0.001, "groups": 22}}
        },
        "protocol_text": "fine-tuned",
        "seconds": 90.0,
    }


def test_a_row_holds_mean_spread_seeds_and_difference() -> None:
    rows = study.table_rows([result(5), result(20, low=-0.01)])
    assert "| 5 | 0.60 ± 0.05 (0.55, 0.60, 0.65) | 0.25 ± 0.05 (0.25, 0.25, 0.25) |" in rows[0]
    assert "| 0.09 | +0.35 [+0.10, +0.50], p = 0.001, 22 groups | yes |" in rows[0]
    assert rows[1].endswith("| **no** |")


def test_an_unfinished_study_says_so() -> None:
    assert "not run yet with 5, 20 labels a class" in study.page([result(1)])
    assert "Unfinished" not in study.page([result(labels) for labels in study.LABELS])


def test_results_of_another_config_do_not_pass_for_those_of_today(tmp_path: Path) -> None:
    now = {"current": study.current(tmp_path, 5)}
    study.result_file(tmp_path, 5).write_text(json.dumps(result(5) | now))
    assert study.result_of(tmp_path, 5) is not None
    assert study.result_of(tmp_path, 1) is None
    study.result_file(tmp_path, 5).write_text(json.dumps(result(5) | now | {"current": ["0"]}))
    assert study.result_of(tmp_path, 5) is None
