"""What the driver commits when, in whatever order tasks end."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from pipelines.batches import Batches
from pipelines.commit import ClipTable
from pipelines.config import IngestConfig
from pipelines.ledger import ledger_row
from pipelines.plan import Plan, State
from pipelines.result import FileResult
from pipelines.schema import Status
from pipelines.sources.base import SourceItem
from pipelines.table import open_table, read_meta
from pipelines.task import Done, make_tasks

CONFIG = IngestConfig(files_per_task=1, files_per_commit=2)
ALIKE, OTHER = "10.0:1:2:3:4", "10.0:ffffff00:ffffff00:ffffff00:ffffff00"
LOOKS = {"a": OTHER, "b": ALIKE, "c": ALIKE, "d": OTHER, "e": ALIKE}
BATCHES = ["ab", "cd", "e"]


class Ingest:
    """An ingest of five files, a task each; `end` is a task's end, `committed` what the ledger has by then."""

    def __init__(self, table: str) -> None:
        self.items = {name: SourceItem(name, 1, 0.0, name, "folder") for name in LOOKS}
        tasks = make_tasks(list(self.items.values()), {}, CONFIG.files_per_task, CONFIG.files_per_commit)
        self.batch_of = {name: task["batch_id"] for name, task in zip(LOOKS, tasks, strict=True)}
        self.path = table
        self.batches = Batches(ClipTable(table, CONFIG), Plan(new=list(self.items.values())), State(), "none")
        self.batches.expect(tasks)
        self.batches.load_signatures()

    def end(self, name: str) -> None:
        result = FileResult(Status.OK, name, picture_hash=LOOKS[name], seconds=10.0)
        row = ledger_row(self.items[name], result, CONFIG.content_hash())
        self.batches.take(Done(self.batch_of[name], rows=[row], decoded=1))

    def touch(self, name: str) -> None:
        """Its content is as it was."""
        self.batches.take(Done(self.batch_of[name]))

    def committed(self) -> dict[str, str | None]:
        rows = read_meta(open_table(f"{self.path}.ledger"), ("source_uri", "near_duplicate_of"))
        return dict(zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True))


def test_batches_are_committed_whole_and_in_the_order_of_their_files(tmp_path: Path) -> None:
    ingest = Ingest(str(tmp_path / "t"))
    for name in "edcb":
        ingest.end(name)
        assert ingest.committed() == {}  # the first batch lacks a file
    ingest.end("a")
    assert ingest.committed() == {"a": None, "b": None, "c": "b", "d": "a", "e": "b"}
    assert ingest.batches.decoded == 5


def test_what_was_committed_does_not_wait_for_what_comes_later(tmp_path: Path) -> None:
    ingest = Ingest(str(tmp_path / "t"))
    seen = []
    for name in "baedc":
        ingest.end(name)
        seen.append("".join(sorted(ingest.committed())))
    assert seen == ["", "ab", "ab", "ab", "abcde"]


def test_a_batch_of_which_nothing_was_decoded_holds_nothing_back(tmp_path: Path) -> None:
    ingest = Ingest(str(tmp_path / "t"))
    ingest.end("e")
    for name in "abcd":
        ingest.touch(name)
    assert ingest.committed() == {"e": None}


@pytest.mark.parametrize("order", list(permutations(range(len(BATCHES)))))
def test_marks_of_near_duplicates_do_not_hang_on_which_batch_ends_first(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    ingest = Ingest(str(tmp_path / "t"))
    for number in order:
        for name in BATCHES[number]:
            ingest.end(name)
    assert ingest.committed() == {"a": None, "b": None, "c": "b", "d": "a", "e": "b"}


def test_a_slow_file_holds_others_back_for_so_long_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("pipelines.batches.time.monotonic", lambda: now)
    ingest = Ingest(str(tmp_path / "t"))
    for name in "bcd":
        ingest.end(name)
    now = 290.0
    ingest.end("e")
    ingest.batches.salvage(300.0)
    assert ingest.committed() == {}
    now = 310.0
    ingest.batches.salvage(300.0)
    assert ingest.committed() == {"c": None, "d": None, "e": "c"}
    ingest.end("a")
    assert sorted(ingest.committed()) == list("abcde")


def test_where_a_job_ends_early_what_is_whole_is_committed(tmp_path: Path) -> None:
    ingest = Ingest(str(tmp_path / "t"))
    for name in "bcde":
        ingest.end(name)
    ingest.batches.salvage()
    assert sorted(ingest.committed()) == list("cde")
