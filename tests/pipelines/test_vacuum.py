from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines import vacuum
from pipelines.commit import Batch, ClipTable
from pipelines.config import IngestConfig
from pipelines.rebuild import open_stage, promote
from pipelines.table import open_table, read_meta
from pipelines.vacuum import SAFE_AGE_S, delete, orphans
from pipelines.writer import Part, PartWriter

LATER = time.time() + 2 * SAFE_AGE_S


@pytest.fixture
def write(clip: Callable) -> Callable[[ClipTable, str], Part]:
    def part(table: ClipTable, video: str) -> Part:
        with PartWriter(table.path) as writer:
            writer.add([clip(video, f"/s/{video}")])
        assert writer.part is not None
        return writer.part

    return part


@pytest.fixture
def table(tmp_path: Path) -> ClipTable:
    return ClipTable(str(tmp_path / "t"), IngestConfig())


def names(table: ClipTable, now: float | None = LATER) -> list[str]:
    root = str(Path(table.path).parent) + "/"
    return sorted(file.uri.removeprefix(root) for file in orphans(table.path, now))


def test_only_what_no_version_names_is_an_orphan(table: ClipTable, write: Callable) -> None:
    table.commit(Batch("1", [write(table, "a")]), set(), True, "none")
    table.commit(
        Batch("2", [write(table, "b")]), {"/s/a"}, True, "none"
    )  # the part of a is of older versions
    assert names(table) == []
    killed = write(table, "c")
    half = Path(f"{table.path}.ledger", "part-00000-x.parquet#1")
    half.write_bytes(b"PAR1")
    assert names(table) == [f"t.ledger/{half.name}", f"t/{killed.name}"]
    assert names(table, None) == [], "younger than a day"

    # A checkpoint names what the commits before it named, once those are cleaned up.
    open_table(table.path).create_checkpoint()
    for commit in Path(table.path, "_delta_log").glob("*.json"):
        commit.unlink()
    assert names(table) == [f"t.ledger/{half.name}", f"t/{killed.name}"]
    delete(orphans(table.path, LATER))
    assert names(table) == []
    assert read_meta(open_table(table.path), ("video_id",))["video_id"].to_pylist() == ["b"]


def test_other_files_are_left_alone(table: ClipTable) -> None:
    for name in ("notes.txt", "mine.parquet", "partly.parquet"):
        Path(table.path, name).write_text("x")
    assert names(table) == []


def test_a_rebuild_is_left_alone_until_it_is_old(table: ClipTable, write: Callable) -> None:
    stage = open_stage(table)
    stage.commit(Batch("1", [write(stage, "a")]), set(), True, "none")
    folder = Path(stage.path).name
    assert names(table, None) == []
    assert {name.split("/")[1] for name in names(table)} == {folder, f"{folder}.ledger"}
    # One file of it is young: somebody goes on with it.
    os.utime(next(Path(stage.path).glob("part-*")), (LATER, LATER))
    assert names(table) == []


def test_what_a_rebuild_put_in_place_stays(
    table: ClipTable, write: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.commit(Batch("0", [write(table, "old")]), set(), True, "none")
    stage = open_stage(table)
    stage.commit(Batch("1", [write(stage, "a")]), set(), True, "none")
    killed = write(stage, "b")
    promote(stage, table, "none")
    assert names(table) == [f"t/{Path(stage.path).name}/{killed.name}"]
    delete(orphans(table.path, LATER))
    assert read_meta(open_table(table.path), ("video_id",))["video_id"].to_pylist() == ["a"]


def test_the_sum_of_them(table: ClipTable, write: Callable) -> None:
    part = write(table, "a")
    assert vacuum.summary(orphans(table.path, LATER)) == {"files": 1, "bytes": part.size}


def test_the_space_of_old_versions_is_given_back_as_the_page_shows(
    tmp_path: Path, write: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = ClipTable("runs/clips", IngestConfig())
    old = write(table, "a")
    table.commit(Batch("1", [old]), set(), True, "none")
    version = table.clips.version()
    table.commit(Batch("2", [write(table, "b")]), {"/s/a"}, True, "none")
    assert read_meta(open_table("runs/clips", version), ("video_id",))["video_id"].to_pylist() == ["a"]

    page = Path(__file__).parents[2] / "docs" / "incremental.md"
    [snippet] = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(snippet, "snippet.py", "exec"), {"__name__": "__main__"})
    assert not (tmp_path / "runs/clips" / old.name).exists()
    assert read_meta(open_table("runs/clips"), ("video_id",))["video_id"].to_pylist() == ["b"]
    with pytest.raises(FileNotFoundError):
        read_meta(open_table("runs/clips", version), ("video_id",))

    table.commit(Batch("3", [write(table, "c")]), set(), True, "none")  # an ingest goes on
    assert sorted(read_meta(open_table("runs/clips"), ("video_id",))["video_id"].to_pylist()) == ["b", "c"]
