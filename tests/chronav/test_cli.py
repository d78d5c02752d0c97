from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.main import get_command

from chronav import __version__, cli


class Result(SimpleNamespace):
    code: int
    out: str
    err: str


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """Call the command line in an empty folder, in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["chronav", *arguments])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        out, err = capfd.readouterr()
        return Result(code=exit_.value.code, out=out, err=err)

    return run


BAD_CALLS = {
    "retry of no status": (["ingest", "media", "--table", "T", "--retry", "bogus"], "bad_value", "--retry"),
    "limit of nothing": (["ingest", "media", "--table", "T", "--limit", "0"], "bad_value", "--limit"),
    "limit that is no number": (["ingest", "media", "--table", "T", "--limit", "x"], "usage", "--limit"),
    "no such command": (["bogus"], "usage", "bogus"),
    "missing option": (["ingest", "media"], "usage", "--table"),
    "missing argument": (["ingest", "--table", "T"], "usage", "source"),
    "unknown option": (["ingest", "media", "--table", "T", "--bogus"], "usage", "--bogus"),
    "option without value": (["ingest", "media", "--table"], "usage", "--table"),
    "split that is no number": (
        ["evaluate", "retrieval", "--export", "E", "--data", "D", "--split", "x"],
        "usage",
        "--split",
    ),
    "unknown key": (["ingest", "media", "--table", "T", "bogus=1"], "unknown_key", "bogus"),
    "bad type": (["ingest", "media", "--table", "T", "fps=fast"], "bad_value", "fps"),
    "negative fps": (["ingest", "media", "--table", "T", "fps=-1"], "bad_value", "fps"),
    "no such date": (["ingest", "media", "--table", "T", "fps=2024-13-45"], "bad_value", "fps"),
    "no such date in the file": (
        ["ingest", "media", "--table", "T", "--config", "media/date.yaml"],
        "bad_file",
        "date.yaml",
    ),
    "table is a file": (["ingest", "media", "--table", "media/bad.yaml"], "bad_table", "bad.yaml"),
    "table below a file": (["ingest", "media", "--table", "media/bad.yaml/T"], "bad_table", "bad.yaml/T"),
    "table where none can be": (["ingest", "media", "--table", "/proc/xx/T"], "bad_table", "/proc/xx/T"),
    "no key=value": (["ingest", "media", "--table", "T", "fps"], "bad_override", "fps"),
    "no config file": (
        ["ingest", "media", "--table", "T", "--config", "none.yaml"],
        "missing_file",
        "none.yaml",
    ),
    "bad YAML": (["ingest", "media", "--table", "T", "--config", "media/bad.yaml"], "bad_file", "bad.yaml"),
    "weight that is none": (["pretrain", "--table", "T=0", "--out", "O"], "bad_value", "--table T=0"),
    "weights for some tables": (
        ["pretrain", "--table", "T=0.7", "--table", "U", "--out", "O"],
        "bad_value",
        "--table U",
    ),
    "weight of no table": (["pretrain", "--table", "T=0.7", "--out", "O"], "missing_table", "/T'"),
    "nothing to inspect": (["inspect", "T"], "missing_table", "'T'"),
    "missing folder": (["ingest", "none", "--table", "T"], None, "none"),
    "empty folder": (["ingest", "empty", "--table", "T"], None, "empty"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_a_bad_call_is_one_line_exit_code_2_and_nothing_written(case: str, call: Any, tmp_path: Path) -> None:
    arguments, code, names = BAD_CALLS[case]
    (tmp_path / "media").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "media" / "bad.yaml").write_text("fps: [1\n")
    (tmp_path / "media" / "date.yaml").write_text("fps: 2024-13-45\n")
    before = sorted(tmp_path.rglob("*"))
    result = call(*arguments)
    assert result.code == 2, result.err
    assert result.out == ""
    assert len(result.err.splitlines()) == 1
    assert result.err.startswith("chronav: ")
    assert names in result.err

    as_json = call(arguments[0], "--json", *arguments[1:])
    assert as_json.code == 2
    error = json.loads(as_json.out)["error"]
    assert error["message"] in as_json.err
    assert code in (None, error["code"])
    assert sorted(tmp_path.rglob("*")) == before


def test_without_arguments_the_help_is_shown(call: Any) -> None:
    result = call()
    assert result.code == 0
    assert "ingest" in result.out
    assert result.err == ""


def test_version(call: Any) -> None:
    assert call("--version").out.strip() == __version__


@pytest.mark.parametrize("command", sorted(get_command(cli.app).commands))  # type: ignore[attr-defined]
def test_every_command_has_help_and_json(command: str, call: Any) -> None:
    result = call(command, "--help")
    assert result.code == 0
    assert "--json" in result.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["submit", "ingest", "SRC", "--table", "T", "--address", "A", "fps=8", "--json"],
        ["submit", "--json", "--address", "A", "ingest", "SRC", "--table", "T", "fps=8"],
        ["submit", "ingest", "--address=A", "SRC", "--json", "--table", "T", "fps=8"],
    ],
)
def test_submit_hands_on_what_is_not_its_own(
    arguments: list[str], call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def submit(*values: Any) -> dict[str, Any]:
        seen.extend(values)
        return {"submission_id": "s", "status": "SUCCEEDED", "exit_code": 0}

    monkeypatch.setattr(cli, "load", lambda module: SimpleNamespace(submit=submit))
    result = call(*arguments)
    assert result.code == 0
    assert seen == [["ingest", "SRC", "--table", "T", "fps=8", "--json"], "A", None]
    assert json.loads(result.out.splitlines()[-1])["submission_id"] == "s"


def test_submit_hands_on_short_and_unknown_options(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    outcome = {"submission_id": "s", "status": "FAILED", "exit_code": 2}
    submit = SimpleNamespace(submit=lambda *values: seen.extend(values) or outcome)
    monkeypatch.setattr(cli, "load", lambda module: submit)
    result = call(
        "submit", "ingest", "S", "-h", "--dataset", "ucf101", "--address", "A", "--working-dir", "W"
    )
    assert result.code == 2
    assert seen == [["ingest", "S", "-h", "--dataset", "ucf101"], "A", "W"]


def test_ctrl_c_before_a_command_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**options: Any) -> None:
        raise typer.Abort

    monkeypatch.setattr(cli, "app", interrupted)
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert exit_.value.code == 130


@pytest.mark.parametrize(
    "arguments",
    [["ingest", "--help"], ["--version"], ["ingest", "x"], ["submit", "--help"]],
)
def test_asking_for_help_imports_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    script = (
        "import sys; from chronav.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'ray', 'mlflow', 'decord', 'av', 'sklearn', 'deltalake', 'fastapi'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.stdout.splitlines()[-1] == "HEAVY []"
    assert list(tmp_path.iterdir()) == []
