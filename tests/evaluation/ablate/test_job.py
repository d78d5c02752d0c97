"""A whole study at toy size: wrong calls, two real runs in processes of their own, and a second call."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient

from chronav import cli
from chronav.errors import CallError, JobError
from chronav.tracking import tracking_uri
from evaluation.ablate import job
from evaluation.ablate.config import open_config
from evaluation.ablate.fleet import Failure, Fleet
from evaluation.ablate.job import ablate
from evaluation.ablate.preflight import Asked
from trainer.config import HEADS

TOY = [
    "steps=3",
    "batch_size=8",
    "lanes=4",
    "warmup_steps=1",
    "checkpoint_every=3",
    "heldout_every=3",
    "heldout_draws=4",  # a draw for each pair of clips, so that every order head is asked
    "video.width=8",
    "video.stages=2",
    "audio.width=8",
    "audio.blocks=[1, 1]",
    "audio.n_mels=16",
    "evaluate.clips=1",
    "evaluate.bootstrap=100",
]


def asked(table: str, **changes: Any) -> Asked:
    values: dict[str, Any] = {"tables": [table], "data": table, "exclude": ["ucf101/1=test"], "split": "1"}
    return Asked(**({"dataset": None, "annotations": None} | values | changes))


def grid(folder: Path, text: str = "switches: [no_order]\nseeds: [5]\nprotocols: [retrieval]\n") -> str:
    folder.mkdir(exist_ok=True)
    (folder / "grid.yaml").write_text(text)
    return str(folder / "grid.yaml")


@pytest.fixture(scope="module")
def studied(ray_local: None, colour_table: str, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("study")
    config = open_config("tiny", None, [*TOY, f"evaluate.cache={folder}/cache"])
    out = str(folder / "out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path_factory.getbasetemp()}/mlflow.db")
        call = (asked(colour_table), grid(folder), out, config, "tiny")
        return SimpleNamespace(call=call, out=Path(out), outcome=ablate(*call))


def test_the_outcome_compares_every_row_with_the_full_method(studied: SimpleNamespace) -> None:
    outcome = studied.outcome
    assert [row["name"] for row in outcome["rows"]] == ["full", "no_order"]
    assert [column["title"] for column in outcome["columns"]] == ["retrieval R@1", *HEADS]
    cell = outcome["rows"][1]["cells"]["retrieval R@1"]
    assert cell["difference"]["over"] == "videos"
    assert cell["difference"]["low"] <= cell["difference"]["value"] <= cell["difference"]["high"]
    full = outcome["rows"][0]["cells"]["retrieval R@1"]["mean"]
    assert cell["difference"]["value"] == pytest.approx(cell["mean"] - full)
    assert not outcome["rows"][1]["cells"]["order_vv"]["trained"]
    assert outcome["missing"] == []
    assert json.loads((studied.out / "ablation.json").read_text()) == json.loads(json.dumps(outcome))


def test_runs_saw_no_test_item_and_are_linked(studied: SimpleNamespace) -> None:
    from chronav import load_export

    client = MlflowClient(tracking_uri=tracking_uri())
    parent = client.get_run(studied.outcome["mlflow_run_id"])
    assert parent.info.status == "FINISHED"
    assert client.get_experiment(parent.info.experiment_id).name == "chronav/ablate"
    assert "no_order/retrieval_R_at_1_less_full" in parent.data.metrics
    names = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"ablation.html", "ablation.json", "ablation_table.json", "ablation_runs.json"} <= names
    assert [run["row"] for run in studied.outcome["runs"]] == ["full", "no_order"]
    for run in studied.outcome["runs"]:
        seen = load_export(run["export"]).seen_videos()
        assert seen
        assert not [video for video in seen if video[-2:] in {"04", "05", "06"}]
        for child in (run["pretrain_run"], *run["evaluate_runs"].values()):
            assert client.get_run(child).data.tags["chronav.ablation"] == parent.info.run_id
    recipes = [load_export(run["export"]).config.recipe for run in studied.outcome["runs"]]
    assert recipes == ["tiny", "tiny+no_order"]


def test_a_second_call_repeats_nothing(studied: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "Fleet", None)  # nothing may be run
    again = ablate(*studied.call)
    assert again["rows"] == studied.outcome["rows"]
    assert again["mlflow_run_id"] == studied.outcome["mlflow_run_id"]


def test_a_failed_run_is_an_error_and_what_there_is_is_shown(
    studied: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    def sail(_: Fleet, specs: list, jobs: int) -> list[Failure]:
        begun.extend(spec.title for spec in specs)
        return [Failure(spec.title, "no disk left", "log.txt") for spec in specs]

    monkeypatch.setattr(Fleet, "sail", sail)
    request, _, out, config, recipe = studied.call
    wider = grid(
        studied.out.parent / "wider", "switches: [no_order, no_vv]\nseeds: [5]\nprotocols: [retrieval]\n"
    )
    with pytest.raises(JobError, match="1 of 3 runs failed; no_vv, seed 5: no disk left"):
        ablate(request, wider, out, config, recipe)
    assert begun == ["no_vv, seed 5"]
    assert "Missing: no_vv, seed 5" in (studied.out / "ablation.html").read_text()


def test_without_the_full_method_the_reason_is_said(
    studied: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sail(_: Fleet, specs: list, jobs: int) -> list[Failure]:
        return [Failure(spec.title, "no disk left", "log.txt") for spec in specs]

    monkeypatch.setattr(Fleet, "sail", sail)
    request, file, _, config, recipe = studied.call
    with pytest.raises(JobError, match=r"did not run \(full, seed 5: no disk left"):
        ablate(request, file, str(studied.out.parent / "other"), config, recipe)


@pytest.mark.parametrize(
    ("changes", "text", "overrides", "code", "names"),
    [
        ({"tables": ["none"]}, None, [], "missing_table", "none"),
        ({"data": "none"}, None, [], "missing_data", "none"),
        ({"exclude": []}, None, [], "seen_in_pretraining", "--exclude ucf101/1=test"),
        ({"exclude": ["ucf101/9=test"]}, None, [], "bad_value", "ucf101/9=test"),
        ({"split": "7"}, None, [], "no_such_split", "ucf101/7"),
        ({}, "switches: [no_vw]\n", [], "bad_value", "no_vw"),
        ({}, "switches: [no_vv]\nprotocols: [retreival]\n", [], "unknown_protocol", "retreival"),
        ({}, "changes: {long: [lanes=3]}\n", [], "bad_value", "'long'"),
        ({}, "changes: {long: [lanes=800, batch_size=800]}\n", [], "bad_value", "'long'"),
        ({}, None, ["lanes=800", "batch_size=800"], "bad_value", "lanes"),
        (
            {},
            "switches: [no_vv]\nprotocols: [linear]\n",
            ["evaluate.labels=900"],
            "bad_value",
            "evaluate.labels",
        ),
        ({}, "switches: [no_vv]\nprotocols: [crossmodal]\n", ["loss.va=0"], "unfit_export", "crossmodal"),
    ],
)
def test_wrong_calls_are_refused_before_anything_is_trained(
    changes: dict[str, Any],
    text: str | None,
    overrides: list[str],
    code: str,
    names: str,
    ray_local: None,
    colour_table: str,
    tmp_path: Path,
) -> None:
    file = grid(tmp_path, text) if text else grid(tmp_path)
    config = open_config("tiny", None, [*TOY, f"evaluate.cache={tmp_path}/cache", *overrides])
    with pytest.raises(CallError) as caught:
        ablate(asked(colour_table, **changes), file, str(tmp_path / "out"), config, "tiny")
    assert caught.value.code == code
    assert names in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_command_line_says_one_line_and_exits_with_2(
    colour_table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    call = [
        "chronav",
        "ablate",
        "--table",
        colour_table,
        "--data",
        colour_table,
        "--grid",
        "none.yaml",
        "steps=2",
    ]
    monkeypatch.setattr(sys, "argv", call)
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert exit_.value.code == 2
    said = capfd.readouterr()
    assert said.err.splitlines() == ["chronav: there is no grid 'none.yaml': neither a file nor one of paper"]
    assert list(tmp_path.iterdir()) == []
