from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from chronav.errors import JobError
from pipelines import ledger
from pipelines.commit import Batch, ClipTable, count_segments
from pipelines.config import IngestConfig
from pipelines.recovery import Entry
from pipelines.rewrite import may_hold
from pipelines.table import read_meta
from pipelines.transaction import batch_number, parts_of
from pipelines.writer import Part, PartWriter


@pytest.fixture
def table(tmp_path: Path) -> ClipTable:
    return ClipTable(str(tmp_path / "t"), IngestConfig())


@pytest.fixture
def batch(clip: Callable) -> Callable[..., Batch]:
    """A batch of one part, of these videos."""

    def make(table: ClipTable, *videos: str) -> Batch:
        with PartWriter(table.path) as writer:
            for video in videos:
                writer.add([clip(video, f"/s/{video}", index) for index in range(2)])
        assert writer.part is not None
        rows = [
            {
                "source_uri": f"/s/{video}",
                "video_id": video,
                "size": 1,
                "mtime": 1.0,
                "status": "ok",
                "clips": 2,
            }
            for video in videos
        ]
        return Batch("-".join(videos), [writer.part], rows)

    return make


def videos(table: ClipTable) -> list[str]:
    return sorted(read_meta(table.clips, ("video_id",))["video_id"].to_pylist())


def test_the_log_says_what_the_parts_hold(table: ClipTable, batch: Callable) -> None:
    table.commit(batch(table, "b", "a", "c"), set(), True, "none")
    [part] = parts_of(table.clips)
    assert (part.rows, part.silent, part.first_uri, part.last_uri) == (6, 3, "/s/a", "/s/c")
    assert part.size == Path(table.path, part.name).stat().st_size
    assert count_segments(table.clips) == {"segments": 6, "segments_with_sound": 3}


def test_parts_of_others_are_counted_by_reading_them(table: ClipTable, batch: Callable) -> None:
    table.commit(batch(table, "a"), set(), True, "none")
    actions = table.clips.get_add_actions
    bare = Part("x", 1, 2)

    class Bare:
        """The table as a writer without statistics would have left it."""

        def __getattr__(self, name: str) -> object:
            return getattr(table.clips, name)

        def get_add_actions(self, flatten: bool) -> object:
            return pa.table(actions(flatten=flatten)).select(["path", "size_bytes", "num_records"])

    assert [part.silent for part in parts_of(Bare())] == [None]  # type: ignore[arg-type]
    assert count_segments(Bare()) == {"segments": 2, "segments_with_sound": 1}  # type: ignore[arg-type]
    assert may_hold(bare, ["/s/a"])


@pytest.mark.parametrize(
    ("uris", "held"),
    [(["a"], False), (["b"], True), (["c"], True), (["d"], True), (["e"], False), (["a", "e"], False)],
)
def test_the_log_tells_where_a_source_is_not(uris: list[str], held: bool) -> None:
    assert may_hold(Part("x", 1, 1, 0, "b", "d"), uris) == held


def test_replacing_a_file_copies_the_others(table: ClipTable, batch: Callable) -> None:
    table.commit(batch(table, "a", "b"), set(), True, "none")
    table.commit(batch(table, "c"), set(), True, "none")
    before = {part.name for part in parts_of(table.clips)}
    table.commit(batch(table, "a"), {"/s/a"}, False, "none")
    assert videos(table) == ["a", "a", "b", "b", "c", "c"]
    assert len(before & {part.name for part in parts_of(table.clips)}) == 1, "the part of c is as it was"


def test_of_two_that_commit_the_second_writes_nothing(table: ClipTable, batch: Callable) -> None:
    other = ClipTable(table.path, table.config)
    other.commit(batch(other, "a"), set(), True, "none")
    with pytest.raises(JobError, match="another ingest has written") as error:
        table.commit(batch(table, "a"), set(), True, "none")
    assert error.value.code == "concurrent_ingest"
    fresh = ClipTable(table.path, table.config)
    assert videos(fresh) == ["a", "a"]
    assert len(read_meta(fresh.ledger, ("source_uri",))) == 1


def test_a_commit_without_clips_takes_its_turn_too(table: ClipTable, batch: Callable) -> None:
    other = ClipTable(table.path, table.config)
    other.commit(Batch("x", rows=batch(other, "a").rows), set(), True, "none")
    with pytest.raises(JobError):
        table.commit(Batch("y", rows=batch(table, "a").rows), set(), True, "none")
    assert len(read_meta(ClipTable(table.path, table.config).ledger, ("source_uri",))) == 1


def test_a_slow_one_and_the_one_that_caught_up_for_it(
    table: ClipTable, batch: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease was taken over between the two commits of a batch."""
    write = Entry.write

    def late(self: Entry, ledger: DeltaTable, new: bool = False) -> None:
        monkeypatch.setattr(Entry, "write", write)
        other = ClipTable(table.path, table.config)
        assert other.catch_up()
        other.commit(batch(other, "b"), set(), True, "none")
        self.write(ledger, new)

    monkeypatch.setattr(Entry, "write", late)
    table.commit(batch(table, "a"), set(), True, "none")
    assert sorted(read_meta(table.ledger, ("source_uri",))["source_uri"].to_pylist()) == ["/s/a", "/s/b"]
    with pytest.raises(JobError):
        table.commit(batch(table, "c"), set(), True, "none")


def test_a_foreign_optimize_in_between_costs_nothing(table: ClipTable, batch: Callable) -> None:
    for video in "abc":
        table.commit(batch(table, video), set(), True, "none")
    made = batch(table, "a")
    DeltaTable(table.path).optimize.compact()
    table.commit(made, {"/s/a"}, False, "none")
    assert videos(table) == ["a", "a", "b", "b", "c", "c"]
    assert batch_number(table.clips) == batch_number(table.ledger) == 4


def test_a_ledger_of_many_files_is_merged(
    table: ClipTable, batch: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "_SMALL_FILES", 3)
    for video in "abcd":
        table.commit(batch(table, video), set(), True, "none")
    assert len(table.ledger.file_uris()) == 2
    assert len(table.state().known) == 4


def test_logs_have_checkpoints_so_that_commits_cost_the_same(table: ClipTable, batch: Callable) -> None:
    for number in range(26):
        table.commit(batch(table, f"v{number}"), set(), True, "none")
    for path in (table.path, f"{table.path}.ledger"):
        last = json.loads(Path(path, "_delta_log", "_last_checkpoint").read_text())
        assert last["version"] >= 24
    again = ClipTable(table.path, IngestConfig())
    assert videos(again) == sorted([f"v{number}" for number in range(26)] * 2)
    assert again.state().known.keys() == {f"/s/v{number}" for number in range(26)}
