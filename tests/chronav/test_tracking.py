from __future__ import annotations

import math
import pickle
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from chronav.errors import JobError
from chronav.tracking import EXPERIMENTS, Run, check_store, flatten, how_to_open, store_errors, tracking_uri


def test_default_store_is_sqlite_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(tmp_path)
    assert tracking_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    # by the interpreter in use: a virtual environment need not be active
    assert (
        how_to_open() == f"{sys.executable} -m mlflow ui --backend-store-uri sqlite:///{tmp_path}/mlflow.db"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    assert tracking_uri() == "http://mlflow:5000"
    assert how_to_open() == "open http://mlflow:5000"


def test_flatten() -> None:
    assert flatten({"a": {"b": {"c": 1}, "d": [2]}, "e": None}) == {"a.b.c": 1, "a.d": [2], "e": None}


def test_a_run_holds_what_was_logged(tmp_path: Path) -> None:
    run = Run.start("pretrain", "first", {"table_version": "3"})
    many = {f"key{i}": i for i in range(230)}  # more than MLflow takes in a call
    run.params({"mel": {"bands": 80}, **many})
    run.metrics({"loss": 2.0, "R@1": 0.5}, step=1)
    run.metrics({"loss": 1.0}, step=2)
    run.metrics({"loss": math.nan}, step=3)
    run.tags({"export": "e"})
    run.table("accuracies.json", {"head": ["speed_v"], "value": [0.5]})
    (tmp_path / "report.html").write_text("<p>")
    run.artifact(str(tmp_path / "report.html"))
    run.finish()

    client = MlflowClient(run.uri)
    stored = client.get_run(run.run_id)
    experiment = client.get_experiment(stored.info.experiment_id)
    assert experiment.name == EXPERIMENTS["pretrain"]
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"  # as MLflow's pages show it
    assert stored.info.status == "FINISHED"
    assert stored.data.params["mel.bands"] == "80"
    assert len(stored.data.params) == 231
    assert stored.data.metrics["R_at_1"] == 0.5
    history = client.get_metric_history(run.run_id, "loss")
    assert [(m.step, m.value) for m in history[:2]] == [(1, 2.0), (2, 1.0)]
    assert stored.data.tags["table_version"] == "3"
    assert stored.data.tags["export"] == "e"
    assert {a.path for a in client.list_artifacts(run.run_id)} == {"accuracies.json", "report.html"}


def test_artifacts_lie_beside_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.txt").write_text("1")
    run = Run.start("ingest", "r")
    monkeypatch.chdir(elsewhere)  # a worker's folder is not the driver's
    run.artifact("x.txt")
    assert list((tmp_path / "mlartifacts").rglob("x.txt"))
    assert not (elsewhere / "mlflow.db").exists()


def test_a_run_is_continued_with_its_own_params() -> None:
    run = Run.start("pretrain", "r")
    run.params({"steps": 100})
    run.finish("FAILED")
    again = Run.start("pretrain", "r", run_id=run.run_id)
    assert again.run_id == run.run_id
    again.params({"steps": 200, "new": 1})  # MLflow params cannot change: the first stays
    stored = MlflowClient(run.uri).get_run(run.run_id)
    assert stored.info.status == "RUNNING"
    assert stored.data.params == {"steps": "100", "new": "1"}


def test_a_run_that_the_store_does_not_have_is_begun_anew() -> None:
    run = Run.start("evaluate", "r", run_id="0" * 32)
    assert run.run_id != "0" * 32


def test_a_run_can_be_sent_to_a_worker() -> None:
    run = Run.start("pretrain", "r")
    copy = pickle.loads(pickle.dumps(run))
    copy.metrics({"loss": 0.25})
    assert MlflowClient(run.uri).get_run(run.run_id).data.metrics == {"loss": 0.25}


def test_two_first_runs_share_one_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two jobs that start together both find no experiment; the second to make it must not fail."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/m.db")
    first = Run.start("ingest", "a")
    real = MlflowClient.get_experiment_by_name
    answers = iter([None])
    monkeypatch.setattr(
        MlflowClient, "get_experiment_by_name", lambda self, name: next(answers, real(self, name))
    )
    second = Run.start("ingest", "b")
    client = MlflowClient(first.uri)
    a, b = (client.get_run(r.run_id).info.experiment_id for r in (first, second))
    assert a == b


def test_the_store_is_made_where_its_folder_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/new/deep/m.db")
    Run.start("ingest", "a")
    assert sqlite3.connect(tmp_path / "new" / "deep" / "m.db").execute("select count(*) from runs").fetchone()


@pytest.mark.parametrize("call", [check_store, lambda: Run.start("ingest", "x")])
def test_a_store_that_does_not_answer_is_one_line(call: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    said = pytest.raises(JobError, match="nothing done: the MLflow store at http")
    with said as error, store_errors("nothing done"):
        call()
    assert error.value.code == "tracking"
    assert "\n" not in str(error.value)


def test_other_errors_are_not_the_stores() -> None:
    check_store()  # a file has nothing to answer
    with pytest.raises(FileNotFoundError), store_errors("nothing done"):
        raise FileNotFoundError
