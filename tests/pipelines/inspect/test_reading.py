"""What docs/pipelines.md shows of reading a table elsewhere, run as it stands."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "pipelines.md"
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
SAID = {
    'pl.scan_delta("runs/clips.ledger")': ["unreadable", "<text>"],
    "import duckdb": ["Dot", "b:0"],
    'pl.scan_delta("runs/clips")': ["Dot", "2", "6.0"],
    "import torch": ["a:0 (24, 32, 48, 3) (24000,)", "a:1 (24, 32, 48, 3) (24000,)"],
}


@pytest.mark.parametrize("mark", SAID, ids=["ledger", "duckdb", "polars", "torch"])
def test_a_table_is_read_as_the_page_shows(
    mark: str,
    small: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Copied, and read at another place than it was made at.
    shutil.copytree(small, tmp_path / "runs/clips")
    shutil.copytree(f"{small}.ledger", tmp_path / "runs/clips.ledger")
    monkeypatch.chdir(tmp_path)
    [snippet] = [text for text in SNIPPETS if mark in text]
    exec(compile(snippet, "snippet.py", "exec"), {"__name__": "__main__"})
    said = capsys.readouterr().out
    for text in SAID[mark]:
        assert text in said, said
