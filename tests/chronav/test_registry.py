from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from chronav.registry import enter_scores, tag_name
from chronav.tracking import REGISTERED_MODEL, Run, tracking_uri


def version(name: str) -> ModelVersion:
    model, _, number = name.partition("/")
    return MlflowClient(tracking_uri=tracking_uri()).get_model_version(model, number)


def test_scores_go_to_the_version_of_the_pretraining_run(tmp_path: Path) -> None:
    run = Run.start("pretrain", "made up")
    number = run.register(REGISTERED_MODEL, str(tmp_path / "export"))
    Run.start("pretrain", "a later one").register(REGISTERED_MODEL, str(tmp_path / "other"))
    moved = str(tmp_path / "moved")  # the export is known by its run, wherever it lies
    named = enter_scores(
        tracking_uri(), moved, run.run_id, {"score linear world top1_video": "0.9 [0.8, 1.0]"}
    )
    assert named == f"{REGISTERED_MODEL}/{number}"
    enter_scores(tracking_uri(), moved, run.run_id, {"score retrieval world R@1": "0.5"})
    found = version(named)
    assert found.tags["score linear world top1_video"] == "0.9 [0.8, 1.0]"
    assert found.tags["score retrieval world R_at_1"] == "0.5"
    assert (
        "- score linear world top1_video: 0.9 [0.8, 1.0]\n- score retrieval world R_at_1: 0.5"
        in found.description
    )


@pytest.mark.parametrize("pretrain_run_id", ["of-another-store", None])
def test_an_export_that_is_not_known_is_registered_once(tmp_path: Path, pretrain_run_id: str | None) -> None:
    export = str(tmp_path / "foreign")
    run_id = pretrain_run_id and f"{pretrain_run_id}-{tmp_path.name}"
    first = enter_scores(tracking_uri(), export, run_id, {"score a": "1"})
    assert version(first).source == export
    assert enter_scores(tracking_uri(), export, run_id, {"score a": "2"}) == first
    assert version(first).tags["score a"] == "2"
    another = enter_scores(
        tracking_uri(), str(tmp_path / "another"), run_id and run_id + "b", {"score a": "3"}
    )
    assert another != first


def test_tags_may_be_called_so() -> None:
    assert tag_name("score linear my data (v2) R@1") == "score linear my data _v2_ R_at_1"
