from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from chronav import cli
from chronav.tracking import Run
from pipelines.inspect import log_overview

PAGE = Path(__file__).parents[3] / "docs" / "pipelines.md"


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple]:
    """The command line in this process: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["chronav", *arguments])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        return exit_.value.code, *capfd.readouterr()

    return run


def test_text_json_and_page_say_the_same(small: str, tmp_path: Path, call: Callable) -> None:
    code, out, _ = call("inspect", small)
    assert code == 0
    assert "segments    4 of 3 videos" in out
    page = tmp_path / "new" / "page.html"
    code, out, _ = call("inspect", small, "--html", str(page), "samples=1", "--json")
    outcome = json.loads(out.splitlines()[-1])
    assert (code, outcome["segments"], outcome["reasons"]) == (0, 4, {"truncated": 1, "unreadable": 5})
    assert outcome["html"] == str(page)
    table = PAGE.read_text(encoding="utf-8").partition("<!-- numbers -->")[2].partition("\n\n")[0]
    described = {
        name for line in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert described == outcome.keys() - {"summary"}
    assert page.read_text().count('<figure class="clip">') == 1


@pytest.mark.parametrize(
    ("arguments", "code", "names"),
    [
        (["{tmp}/none"], "missing_table", "{tmp}/none"),
        (["{tmp}/none", "--html", "{tmp}/page.html"], "missing_table", "{tmp}/none"),
        (["{small}", "--html", "{tmp}"], "bad_path", "{tmp}"),
        (["{small}", "--html", "/proc/none/page.html"], "bad_path", "/proc/none/page.html"),
        (["{small}", "samples=1000"], "bad_value", "samples"),
        (["{small}", "frames=3"], "unknown_key", "frames"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(
    arguments: list[str], code: str, names: str, small: str, tmp_path: Path, call: Callable
) -> None:
    filled = [text.format(tmp=tmp_path, small=small) for text in arguments]
    exit_code, out, err = call("inspect", *filled, "--json")
    assert exit_code == 2
    assert json.loads(out)["error"]["code"] == code
    said = [line for line in err.splitlines() if line.startswith("chronav: ")]
    assert len(said) == 1
    assert names.format(tmp=tmp_path) in said[0]
    assert list(tmp_path.iterdir()) == []


def test_a_run_gets_the_page_and_the_numbers(small: str, tmp_path: Path) -> None:
    run = Run.start("ingest", "ingest folder")
    log_overview(run, small, version=1)
    client = MlflowClient()
    names = {file.path for file in client.list_artifacts(run.run_id)}
    assert names == {"inspect.html", "inspect.json"}
    numbers = json.loads(
        Path(client.download_artifacts(run.run_id, "inspect.json", str(tmp_path))).read_text()
    )
    assert (numbers["table_version"], numbers["segments"]) == (1, 2)
