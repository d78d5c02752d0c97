"""MLflow alone tells what an evaluation found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from chronav.tracking import Run, artifact_text, tracking_uri
from evaluation.config import EvaluateConfig
from evaluation.pages.exhibits import Exhibits
from evaluation.publish import outcome_tables, publish, score_tags

Made = Callable[..., dict[str, Any]]


def test_the_run_holds_page_outcome_tables_and_a_description(tmp_path: Path, made: Made) -> None:
    outcome = made()
    run = Run.start("evaluate", "made up")
    publish(run, outcome, EvaluateConfig(out=str(tmp_path)), {}, Exhibits(missing=["v_gone"]))
    client = MlflowClient(tracking_uri=tracking_uri())
    page = Path(outcome["report"])
    files = {file.path for file in client.list_artifacts(run.run_id)}
    assert files == {
        page.name, "outcome.json", "confusion.csv", "missing.txt", "comparison.json", "folds.json",
        "per_class.json", "confusion.json", "published.json",
    }  # fmt: skip
    assert artifact_text(run.run_id, page.name) == page.read_text()
    assert json.loads(artifact_text(run.run_id, "outcome.json") or "") == outcome
    assert (
        artifact_text(run.run_id, "confusion.csv") == "true class,Fan,Rain & Sun\nFan,18,4\nRain & Sun,7,11\n"
    )
    assert artifact_text(run.run_id, "missing.txt") == "v_gone\n"
    note = client.get_run(run.run_id).data.tags["mlflow.note.content"]
    for line in (
        "| This export | 0.725 [0.601, 0.831] |  |",
        "| Same network, random weights | 0.413 [0.300, 0.500] | +0.312 [+0.200, +0.400], p = 0.0004, 40 groups |",
        "- 40 test items are few: read the intervals, not the values.",
        "100 listed (official list), 90 found, 10 missing",
    ):
        assert line in note, line


def test_a_deviation_is_called_by_what_it_is_over(made: Made) -> None:
    outcome = made()
    assert "std over draws" not in outcome_tables(outcome)["comparison"]
    few = {"top1_video_10_labels": 0.5, "top1_video_10_labels_std": 0.04, "top1_video_std": 0.02}
    table = outcome_tables(made(metrics=outcome["metrics"] | few))["comparison"]
    place = {key: i for i, key in enumerate(zip(table["who"], table["metric"], strict=True))}
    drawn, folded = place["pretrained", "top1_video_10_labels"], place["pretrained", "top1_video"]
    assert (table["std over draws"][drawn], table["std over folds"][drawn]) == (0.04, None)
    assert (table["std over draws"][folded], table["std over folds"][folded]) == (None, 0.02)


def test_scores_say_what_they_are_of(made: Made) -> None:
    task = "score linear ucf101: official split ucf101/1: "
    scores = score_tags(made(), EvaluateConfig())
    assert scores[f"{task}top1_video"] == (
        "0.725 [0.601, 0.831] (40 test items, only 90 of 100 listed items found)"
    )
    assert set(scores) == {f"{task}top1_video", f"{task}top1_clip"}
    mine = made()
    mine["coverage"]["official_list"] = False
    assert next(iter(score_tags(mine, EvaluateConfig()))).startswith(
        "score linear ucf101 in my videos: official"
    )
    other = score_tags(made(division="5 stratified folds", seen_in_pretraining=30), EvaluateConfig())
    assert not set(other) & set(scores), "other folds are another score"
    assert all("30 of them seen in pre-training" in text for text in other.values())


def test_scores_by_other_settings_have_names_of_their_own(made: Made) -> None:
    task = "score linear ucf101: official split ucf101/1:"
    assert f"{task} top1_video" in score_tags(made(), EvaluateConfig(workers=1, out="elsewhere"))
    assert f"{task} clips 1 labels_per_class 5: top1_video" in score_tags(
        made(), EvaluateConfig(clips=1, labels_per_class=5)
    )
    long = [1.0 + n for n in range(40)]
    names = {next(iter(score_tags(made(), EvaluateConfig(c_grid=grid)))) for grid in (long, long[1:])}
    assert len(names) == 2
    assert all(len(name) < 100 for name in names)


def test_nothing_measured_registers_nothing(tmp_path: Path, made: Made) -> None:
    outcome = made(
        export=str(tmp_path / "nobody"),
        pretrain_run_id=None,
        metrics={},
        baselines={},
        differences={},
        splits=[],
    )
    run = Run.start("evaluate", "made up")
    publish(run, outcome, EvaluateConfig(out=str(tmp_path)), {}, Exhibits())
    assert "model_version" not in outcome
    client = MlflowClient(tracking_uri=tracking_uri())
    assert all(version.source != outcome["export"] for version in client.search_model_versions())
