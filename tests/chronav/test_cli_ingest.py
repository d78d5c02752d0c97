"""`chronav ingest` from its command line to the text that it ends with; nothing is decoded."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from chronav import cli, summaries


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["chronav", "ingest", *arguments])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert isinstance(exit_.value.code, int)
    return exit_.value.code


def test_a_dry_run_lists_files_and_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "media").mkdir()
    for name in "ab":
        (tmp_path / "media" / f"{name}.mp4").write_text(name)
    before = sorted(tmp_path.rglob("*"))
    arguments = ("media", "--table", "T", "--dry-run", "--limit", "1", "--vacuum", "--compact", "--prune")
    assert call(monkeypatch, *arguments, "--json") == 0
    *lines, last = capsys.readouterr().out.splitlines()
    outcome = json.loads(last)
    assert (outcome["dry_run"], outcome["new"], outcome["remaining"], outcome["to_decode"]) == (True, 1, 1, 1)
    assert [action["action"] for action in outcome["actions"]] == ["new"]
    assert lines[0] == f"new        {tmp_path}/media/a.mp4: not in the ledger"
    assert lines[1].startswith(
        "2 files: 1 new, 0 changed, 0 retried, 0 unchanged, 0 removed; 1 to decode in "
    )
    assert lines[-1].startswith("1 new files are left")
    assert sorted(tmp_path.rglob("*")) == before


def test_all_options_reach_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines import job
    from pipelines.options import Options

    seen = []
    monkeypatch.setattr(job, "ingest", lambda *args: seen.append(args) or {"error": {"message": "-"}})
    call(
        monkeypatch, "media", "--table", "T", "--prune", "--retry", "failed", "--retry", "silent", "--rebuild",
        "--limit", "7", "--compact", "--vacuum", "--dry-run",
    )  # fmt: skip
    call(monkeypatch, "media", "--table", "T")
    assert seen[0][-1] == Options(True, frozenset({"failed", "silent"}), True, True, 7, True, True)
    assert seen[1][-1] == Options()


def test_the_summary_says_what_was_done() -> None:
    outcome = {
        "files": 9, "missing": 0, "ignored": 0, "new": 1, "changed": 2, "retried": 3, "unchanged": 1, "removed": 4,
        "remaining": 2, "relabelled": 0, "decoded": 6, "seconds": 1.25, "ok": 5, "rejected": 1, "failed": 1,
        "reasons": {"silent": 1, "timeout": 1}, "table": "/T", "table_version": 8, "segments": 12,
        "segments_with_sound": 11, "compacted": {"files": 40, "into": 2},
        "vacuumed": {"files": 3, "bytes": 77},
    }  # fmt: skip
    assert summaries.ingest(outcome).splitlines() == [
        "9 files: 1 new, 2 changed, 3 retried, 1 unchanged, 4 removed; 6 decoded in 1.2 s",
        "ledger: 5 ok, 1 rejected, 1 failed (silent 1, timeout 1)",
        "table /T version 8: 12 segments, 11 with sound",
        "2 new files are left: run it again to go on",
        "40 small data files merged into 2",
        "3 files of killed runs deleted, 77 bytes",
    ]
    left_out = summaries.ingest(outcome | {"missing": 3, "ignored": 2}).splitlines()[3:5]
    assert left_out == [
        "3 files are named but not there (missing.txt in the MLflow run)",
        "2 files are left out: not of this layout, or named twice (ignored.txt in the MLflow run, or --dry-run)",
    ]
    relabelled = summaries.ingest(outcome | {"unchanged": 2, "relabelled": 2})
    assert "3 retried, 2 unchanged (2 relabelled), 4 removed" in relabelled
    dry = {key: value for key, value in outcome.items() if key not in ("compacted", "vacuumed")}
    dry |= {"dry_run": True, "to_decode": 5, "to_compact": 40, "to_vacuum": {"files": 3, "bytes": 77}}
    lines = summaries.ingest(dry | {"remaining": 0}).splitlines()
    assert lines[0].endswith("5 to decode in 1.2 s")
    assert lines[3:] == ["3 files of killed runs to delete, 77 bytes", "40 small data files to merge"]
