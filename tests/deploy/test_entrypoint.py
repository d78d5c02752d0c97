from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from chronav.cli import app
from chronav.config import build
from chronav.errors import CallError
from deploy.entrypoint import INPUT_PATHS, NAMES_OR_PATHS, OUTPUT_PATHS, portable, shell_line
from evaluation.config import EvaluateConfig

NO_PATHS = {
    "overrides",
    "dataset",
    "as_json",
    "recipe",
    "exclude",
    "resume",
    "profile",
    "protocol",
    "split",
    "prune",
    "retry",
    "dry_run",
    "rebuild",
    "limit",
    "compact",
    "vacuum",
}
"""Parameters of commands that hold no path, or one that the run itself has made."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_parameter_of_every_command_is_known_to_be_a_path_or_not() -> None:
    """A new command must say which of its parameters are paths, or it would fail on a cluster."""
    commands: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
    names = {p.name for name, c in commands.items() if name != "submit" for p in c.params}
    assert names <= INPUT_PATHS | OUTPUT_PATHS | NAMES_OR_PATHS | NO_PATHS
    assert not (INPUT_PATHS | OUTPUT_PATHS) & NO_PATHS


@pytest.mark.parametrize(
    "order",
    [
        ["ingest", "videos", "--table", "T", "--dataset", "ucf101", "fps=8", "--json"],
        ["ingest", "--json", "--dataset", "ucf101", "--table", "T", "videos", "fps=8"],
        ["ingest", "--dataset=ucf101", "videos", "fps=8", "--table=T", "--json"],
    ],
)
def test_paths_become_absolute_in_any_order(order: list[str], here: Path) -> None:
    assert portable(order) == [
        *["ingest", "--table", f"{here}/T", "--dataset", "ucf101", "--json"],
        *[f"{here}/videos", "fps=8"],
    ]


def test_repeated_options_weights_and_urls(here: Path) -> None:
    call = [
        "pretrain",
        "--table",
        "T=0.5",
        "--table",
        "s3://b/T/=2",
        "--out",
        "o",
        "--exclude",
        "ucf101/1=test",
    ]
    assert portable(call) == [
        *["pretrain", "--table", f"{here}/T=0.5", "--table", "s3://b/T/=2"],
        *["--out", f"{here}/o", "--exclude", "ucf101/1=test"],
    ]


def test_a_path_that_the_call_left_to_its_default_is_the_callers_too(here: Path) -> None:
    assert portable(["demo"]) == ["demo", "--out", f"{here}/runs/demo"]


EVALUATE = ["evaluate", "linear", "--export", "E", "--data", "D"]


@pytest.mark.parametrize(
    ("more", "sent"),
    [
        ([], ["out={here}/runs/evaluate", "cache={here}/runs/cache"]),
        (["clips=3"], ["clips=3", "out={here}/runs/evaluate", "cache={here}/runs/cache"]),
        (["out=mine"], ["out=mine", "cache={here}/runs/cache"]),
        (["cache=s3://b/c", "out=/o"], ["cache=s3://b/c", "out=/o"]),
    ],
)
def test_folders_that_evaluate_leaves_to_its_config_are_the_callers_too(
    more: list[str], sent: list[str], here: Path
) -> None:
    call = portable([*EVALUATE, *more])
    assert call[call.index("linear") + 1 :] == [text.format(here=here) for text in sent]


def test_a_name_is_no_path_and_a_file_is(here: Path) -> None:
    sent = portable(["compare", "0123abcd", "outcome.json", "--out", "page.html"])
    assert "0123abcd" in sent and f"{here}/outcome.json" in sent
    study = ["ablate", "--table", "T", "--data", "D", "--grid"]
    assert f"{here}/paper" not in portable([*study, "paper"])
    assert f"{here}/grid.yaml" in portable([*study, "grid.yaml"])


def test_a_split_arrives_as_it_was_given(here: Path) -> None:
    call = portable([*EVALUATE, "--split", "all", "--against", "F"])
    assert call[call.index("--split") + 1] == "all"
    assert call[call.index("--against") + 1] == f"{here}/F"


def test_a_config_file_keeps_its_folders(here: Path) -> None:
    call = portable([*EVALUATE, "--config", "c.yaml", "clips=3"], None)
    assert call[-2:] == ["linear", "clips=3"]


def test_a_folder_whose_name_means_something_in_yaml_arrives_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "it's: ä # 'b' 😀"
    odd.mkdir()
    monkeypatch.chdir(odd)
    config = build(EvaluateConfig, overrides=portable(EVALUATE)[-2:])
    assert (config.out, config.cache) == (f"{odd}/runs/evaluate", f"{odd}/runs/cache")


def test_shipped_inputs_are_named_within_the_shipped_folder(here: Path) -> None:
    for folder in ("project/videos", "project/T", "project-two"):
        (here / folder).mkdir(parents=True)
    (here / "project" / "c.yaml").write_text("fps: 8\n")
    call = ["ingest", "project/videos", "--table", "project/T", "--config", "project/c.yaml"]
    assert portable(call, "project") == [
        # A table is never shipped: what the job wrote into the copy would be lost.
        *["ingest", "--table", f"{here}/project/T", "--config", "c.yaml", "videos"],
    ]
    outside = portable(["ingest", "project-two", "--table", "T"], "project")
    assert outside[-1] == f"{here}/project-two"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ([], "no command"),
        (["bogus"], "'bogus'"),
        (["--version"], "'--version'"),
        (["submit", "ingest"], "'submit'"),
        (["ingest", "videos"], "--table"),
        (["ingest", "--table", "T"], "source"),
        (["ingest", "videos", "--table", "T", "-h"], "-h"),
    ],
)
def test_calls_that_cannot_run_are_not_sent(call: list[str], says: str) -> None:
    with pytest.raises(CallError, match=says):
        portable(call)


def test_the_shell_hands_over_exactly_these_arguments(tmp_path: Path) -> None:
    """Read back through a real shell, with a `python` that prints its arguments and the store."""
    fake = tmp_path / "python"
    fake.write_text('#!/bin/sh\nprintf "%s\\n" "$MLFLOW_TRACKING_URI" "$@"\n')
    fake.chmod(0o755)
    odd = ["ingest", "it's; rm -rf $HOME", "a b", "`x`", 'q"q', "k=[1, 2]", "ä\\n", "*"]
    store = "sqlite:////a b/it's}$HOME.db"

    def run(line: str, **environment: str) -> list[str]:
        clean = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
        env = clean | {"PATH": f"{tmp_path}:{clean['PATH']}"} | environment
        done = subprocess.run(line, shell=True, env=env, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    assert run(shell_line(odd, store)) == [store, "-m", "chronav", *odd]
    assert run(shell_line(odd, store), MLFLOW_TRACKING_URI="http://m")[0] == "http://m"
    assert run(shell_line(odd), MLFLOW_TRACKING_URI="http://m") == ["http://m", "-m", "chronav", *odd]
    assert shlex.split(shell_line(odd)) == ["python", "-m", "chronav", *odd]
