"""The driver's side of an ingest: gathers what tasks did and commits each batch when it is whole."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from pipelines import ledger as ledgers
from pipelines.commit import Batch, ClipTable
from pipelines.duplicates import Copies
from pipelines.ledger import Known, LedgerRow
from pipelines.near_duplicates import NearDuplicates
from pipelines.plan import Plan, State, outdated
from pipelines.rewrite import mark
from pipelines.sources.base import SourceItem

if TYPE_CHECKING:
    from pipelines.task import Done

T = TypeVar("T")

_FILES_A_COMMIT = 1024  # of those that nothing is decoded for


class Batches:
    """Commits the batches of one ingest to `table`; `state` is what the table held before.

    `outdated`: files that have only been touched, and of which the source says something else than before.
    """

    def __init__(self, table: ClipTable, plan: Plan, state: State, run_id: str) -> None:
        self.table = table
        self.decoded = self.touched = 0
        self.media_s = 0.0
        self.reasons: Counter[str] = Counter()
        self.run_id = run_id
        self._config_hash = table.config.content_hash()
        self._known = state.known
        self._present = set(state.owners.values())
        self._items = {item.uri: item for item in plan.items}
        self._annotated = plan.annotated
        self.outdated: list[SourceItem] = []
        self._waiting: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._open: dict[str, Batch] = {}
        self._whole: dict[str, float] = {}  # batch -> since when it waits for those before it
        self._same: list[SourceItem] = []
        self._copies: list[LedgerRow] = []
        self._behind: dict[str, list[str]] = {}
        self._sha256: Mapping[str, str] = {}
        self._near: NearDuplicates | None = None

    def prune(self, uris: Sequence[str]) -> None:
        """Drop the clips and ledger rows of files."""
        for some in _pieces(sorted(uris)):  # neighbours share parts
            self._commit(Batch(uuid.uuid4().hex, dropped=list(some)), set(some))

    def reject(self, duplicates: Mapping[str, str]) -> None:
        """Note files that are not opened, for another one has their id: uri -> uri of that one."""
        rows = []
        for uri, of in duplicates.items():
            item = self._items[uri]
            message = f"the id {item.video_id} belongs to {of}"
            rows.append(ledgers.duplicate_row(item, message, self._config_hash))
        self._put(rows)

    def leave_out(self, copies: Copies) -> None:
        """Note files that are not opened, for another one has their content.

        Those that are copies of a file still to be decoded are when that is committed, and end as it does.
        """
        self._sha256 = copies.sha256
        for uri, of in copies.of_table.items():
            self._copy(uri, of, self._known[of])
        self._flush()
        for uri, of in copies.of_listed.items():
            self._behind.setdefault(of, []).append(uri)

    def load_signatures(self) -> None:
        """Learn how the videos of the table look."""
        bits = self.table.config.near_duplicate_bits
        if bits is not None:
            self._near = NearDuplicates(bits)
            self._near.load(ledgers.read_signatures(self.table.ledger))

    def expect(self, tasks: Sequence[Mapping[str, str]]) -> None:
        """Say which tasks there will be."""
        self._waiting.update(task["batch_id"] for task in tasks)

    def take(self, done: Done) -> None:
        """Take what a task did; commits the batches that are whole, in the order of their files.

        In that order whatever ends first: which of two alike videos is the earlier one is then the same in every
        run. What waits meanwhile are ledger rows, and a kill costs a second decode: so nothing waits for long.
        """
        with self._lock:
            self._take(done)

    def _take(self, done: Done) -> None:
        batch = self._open.setdefault(done.batch_id, Batch(done.batch_id))
        batch.rows += done.rows
        batch.parts += [done.part] if done.part else []
        self.decoded += done.decoded
        self.media_s += done.media_s
        self.reasons.update(row["reason"] for row in done.rows if row["reason"] is not None)
        self._take_same(done.touched)
        self._waiting[done.batch_id] -= 1
        if not self._waiting[done.batch_id]:
            self._whole[done.batch_id] = time.monotonic()
        while self._whole and (first := next(iter(self._waiting))) in self._whole:
            self._close(first)

    def salvage(self, waited_s: float = 0.0) -> None:
        """Commit all batches that are whole, also those before which one is not, if one has waited for so long.

        May be called from another thread.
        """
        with self._lock:
            if self._whole and time.monotonic() - min(self._whole.values()) >= waited_s:
                for batch_id in [batch_id for batch_id in self._waiting if batch_id in self._whole]:
                    self._close(batch_id)

    def finish(self) -> None:
        """Commit what waits for more of its kind."""
        self._touch()
        self._flush()

    def _close(self, batch_id: str) -> None:
        """Commit a batch that is whole."""
        del self._waiting[batch_id], self._whole[batch_id]
        batch = self._open.pop(batch_id)
        if batch.rows:  # else every file had only been touched
            self._mark(batch)
            self._commit(batch, {row["source_uri"] for row in batch.rows})
            self._follow(batch.rows)

    def _take_same(self, uris: Iterable[str]) -> None:
        """Files whose content is as the ledger has it."""
        for uri in uris:
            self._same.append(self._items[uri])
            for copy in self._behind.pop(uri, ()):
                self._copy(copy, uri, self._known[uri])
        if len(self._same) + len(self._copies) >= _FILES_A_COMMIT:
            self.finish()

    def _follow(self, rows: Iterable[LedgerRow]) -> None:
        """Copies of files that have been decoded."""
        for row in rows:
            for copy in self._behind.pop(row["source_uri"], ()):
                self._copy(copy, row["source_uri"], ledgers.known_row(row))
        if len(self._copies) >= _FILES_A_COMMIT:
            self.finish()

    def _copy(self, uri: str, of: str, row: Known) -> None:
        """Note a copy, unless the other file has changed since their contents were compared: the next call's then."""
        if row.sha256 == self._sha256[uri]:
            self._copies.append(ledgers.copy_row(self._items[uri], of, row, self._config_hash))

    def _mark(self, batch: Batch) -> None:
        """Mark near duplicates, in the batch's ledger rows and in the parts that hold their clips."""
        if self._near is None:
            return
        self._near.forget(row["video_id"] for row in batch.rows if row["source_uri"] in self._known)
        if near := self._near.mark(batch.rows):
            batch.parts = [mark(self.table.path, part, near) for part in batch.parts]

    def _touch(self) -> None:
        """Note the new times of files whose content had not changed."""
        if self._same:
            ledgers.touch(self.table.ledger, self._same)
        if self._annotated:
            self.outdated += [item for item in self._same if outdated(item, self._known[item.uri])]
        self.touched += len(self._same)
        self._same = []

    def _flush(self) -> None:
        """Commit the rows of copies."""
        self._put(self._copies)
        self._copies = []

    def _put(self, rows: Sequence[LedgerRow]) -> None:
        """Commit rows of files that are not opened."""
        for some in _pieces(rows):
            self.reasons.update(row["reason"] for row in some)
            self._commit(Batch(uuid.uuid4().hex, rows=list(some)), {row["source_uri"] for row in some})

    def _commit(self, batch: Batch, uris: set[str]) -> None:
        self.table.commit(batch, uris & self._present, uris.isdisjoint(self._known), self.run_id)


def _pieces(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _FILES_A_COMMIT):
        yield items[start : start + _FILES_A_COMMIT]
