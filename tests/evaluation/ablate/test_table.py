"""The table: means, spreads, paired differences, and what is not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evaluation.ablate.publish import long_table, metric_values, write_page
from evaluation.ablate.table import Row, clear_differences, compared, fold_weights, study
from evaluation.ablate.text import as_text, gap, number
from trainer.config import HEADS

VIDEOS = ["a1", "a2", "b1", "b2"]


def run(head: float, right: list[float], **more: Any) -> dict[str, Any]:
    """Outcomes of a run: all heads alike; `right`: for each video whether it was told."""
    accuracy = {"value": head, "chance": 0.25}
    items = {"fold": ["toy/1, seed 0"] * 4, "video_id": VIDEOS, "unit": VIDEOS, "value": right}
    measured = {
        "main": "R@1",
        "metrics": {"R@1": sum(right) / 4},
        "items": items,
        "baselines": {"chance": {"R@1": 0.2}, "random_weights": {"R@1": 0.3}},
    }
    return {"pretrain": {"accuracies": dict.fromkeys(HEADS, accuracy)}, "retrieval": measured, **more}


def rows() -> list[Row]:
    full = {0: run(0.8, [1, 1, 1, 1]), 1: run(0.9, [1, 1, 1, 0])}
    without = {1: run(0.5, [0, 0, 1, 0]), 0: run(0.4, [0, 0, 1, 1])}
    return [Row("full", full), Row("no_speed", without, ["speed_v"])]


def test_cells_hold_means_spreads_and_paired_differences() -> None:
    found = study(rows(), ["retrieval"])
    assert [column["title"] for column in found["columns"]] == ["retrieval R@1", *HEADS]
    assert found["columns"][0]["floors"] == {"chance": 0.2, "random weights": 0.3}
    assert found["columns"][1]["floors"] == {"chance": 0.25}
    full, without = (row["cells"]["retrieval R@1"] for row in found["rows"])
    assert (full["mean"], full["seeds"]) == (pytest.approx(0.875), [0, 1])
    assert full["std"] == pytest.approx(0.125 * 2**0.5)
    assert "difference" not in full
    assert without["mean"] == pytest.approx(0.375)
    gap_ = without["difference"]
    assert (gap_["value"], gap_["over"], gap_["seeds"]) == (pytest.approx(-0.5), "seeds and videos", [0, 1])
    # Both seeds lose a1 and a2 and keep the others: units -1, -1, 0, 0; variance 1/3, over 4; t(3).
    assert gap_["high"] - gap_["value"] == pytest.approx(3.182446 * (1 / 12) ** 0.5, abs=1e-6)
    head = found["rows"][1]["cells"]["speed_a"]["difference"]
    assert (head["value"], head["over"]) == (pytest.approx(-0.4), "seeds")


def test_heads_that_are_not_trained_show_nothing() -> None:
    found = study(rows(), ["retrieval"])
    cell = found["rows"][1]["cells"]["speed_v"]
    assert not cell["trained"]
    assert gap(cell) == "not trained"
    shown = clear_differences(found)
    assert "no_speed: speed_a -0.40" in shown
    assert not any("speed_v" in text for text in shown)
    assert compared(found) == 7  # six heads and a protocol


def test_items_are_paired_by_name_and_not_by_place() -> None:
    shuffled = run(0.4, [1, 1, 0, 0])
    shuffled["retrieval"]["items"]["video_id"] = VIDEOS[::-1]
    found = study([Row("full", {0: run(0.8, [0, 0, 1, 1])}), Row("x", {0: shuffled})], ["retrieval"])
    cell = found["rows"][1]["cells"]["retrieval R@1"]["difference"]
    assert (cell["value"], cell["low"], cell["high"], cell["over"]) == (0.0, 0.0, 0.0, "videos")
    shuffled["retrieval"]["items"]["video_id"] = ["c", *VIDEOS[1:]]
    with pytest.raises(ValueError, match="different test items"):
        study([Row("full", {0: run(0.8, [0, 0, 1, 1])}), Row("x", {0: shuffled})], ["retrieval"])


def test_folds_count_alike_however_large() -> None:
    weights = fold_weights(["f1", "f2", "f2", "f2"])
    assert weights.tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6])


def test_what_is_not_there_is_said() -> None:
    unfit = run(0.5, [0, 0, 0, 0], retrieval={"left_out": "no shared space"})
    found = study(
        [Row("full", {0: run(0.8, [1, 1, 1, 1])}), Row("no_va", {0: unfit}), Row("late", {})], ["retrieval"]
    )
    cell = found["rows"][1]["cells"]["retrieval R@1"]
    assert (cell["mean"], cell["difference"], cell["left_out"]) == (None, None, "no shared space")
    assert number(cell) == "-"
    late = found["rows"][2]["cells"]["speed_v"]
    assert (late["mean"], late["difference"], late["seeds"]) == (None, None, [])


def test_seeds_that_only_one_side_has_are_not_compared() -> None:
    full = {0: run(0.8, [1, 1, 1, 1]), 1: run(0.2, [0, 0, 0, 0])}
    found = study([Row("full", full), Row("x", {0: run(0.7, [1, 1, 1, 1])})], ["retrieval"])
    cell = found["rows"][1]["cells"]["speed_v"]["difference"]
    assert (cell["value"], cell["seeds"], cell["low"]) == (pytest.approx(-0.1), [0], None)


def outcome() -> dict[str, Any]:
    about = {"row": "full", "seed": 0, "config_digest": "d1", "export": "/e", "pretrain_run": "r1"}
    return {
        **study(rows(), ["retrieval"]),
        "grid": "<paper>",
        "recipe": "tiny",
        "steps": 4,
        "tables": ["/t"],
        "exclude": ["toy/1=test"],
        "data": "/d",
        "seeds": [0, 1],
        "notes": ["no_vv left out"],
        "protocol_texts": {"retrieval": "cosine"},
        "runs": [about | {"evaluate_runs": {}, "seconds": 60.0}],
        "missing": ["no_speed, seed 2"],
        "seconds": 1.0,
        "report": "/r.html",
    }


def test_text_shows_every_number_with_its_interval() -> None:
    text = as_text(outcome())
    line = next(line for line in text.splitlines() if line.startswith("no_speed"))
    assert "0.38 ± 0.18  -0.50 [-1.42, +0.42]" in line
    assert any(line.split() == ["random", "weights", "0.30"] for line in text.splitlines())
    assert "Among 7 comparisons about 1 would by chance" in text
    assert "note: no_vv left out" in text
    assert max(len(line) for line in text.splitlines()[:12]) < 130


def test_one_seed_is_said_to_be_one() -> None:
    assert "One seed: intervals are over test videos alone" in as_text(outcome() | {"seeds": [0]})


def test_every_number_is_a_metric_and_a_row() -> None:
    metrics = metric_values(outcome())
    assert metrics["full/retrieval_R@1"] == pytest.approx(0.875)
    assert metrics["no_speed/retrieval_R@1_less_full"] == pytest.approx(-0.5)
    assert metrics["no_speed/retrieval_R@1_less_full_low"] < -0.5
    assert metrics["runs_missing"] == 1
    table = long_table(outcome())
    assert {len(column) for column in table.values()} == {2 * 8}
    json.dumps(table)


def test_the_page_stands_alone(tmp_path: Path) -> None:
    write_page(str(tmp_path / "p.html"), outcome())
    page = (tmp_path / "p.html").read_text()
    assert "http" not in page
    assert "<script" not in page
    assert "&lt;paper&gt;" in page
    assert "-0.50 [-1.42, +0.42]" in page
    assert "not trained" in page
    assert page.count("<svg") == 7  # a protocol, and the six heads that the row trains
