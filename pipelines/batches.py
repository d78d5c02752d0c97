"""The driver's side of an ingest: gathers what tasks did and commits each batch when it is whole."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pipelines import ledger as ledgers
from pipelines.commit import Batch, ClipTable
from pipelines.plan import Plan, State
from pipelines.sources.base import SourceItem

if TYPE_CHECKING:
    from pipelines.task import Done

_FILES_A_COMMIT = 1024  # of those that nothing is decoded for


class Batches:
    """Commits the batches of one ingest to `table`; `state` is what the table held before."""

    def __init__(self, table: ClipTable, plan: Plan, state: State, run_id: str) -> None:
        self.table = table
        self.decoded = self.touched = 0
        self.media_s = 0.0
        self.reasons: Counter[str] = Counter()
        self.run_id = run_id
        self._known = state.known
        self._present = set(state.owners.values())
        self._twins = plan.twins
        self._items = {item.uri: item for item in plan.items}
        self._waiting: Counter[str] = Counter()
        self._open: dict[str, Batch] = {}
        self._same: list[SourceItem] = []
        self._copies: dict[str, str] = {}

    def prune(self, uris: Sequence[str]) -> None:
        """Drop the clips and ledger rows of files."""
        for some in _pieces(sorted(uris)):  # neighbours share parts
            self._commit(Batch(uuid.uuid4().hex, dropped=list(some)), set(some))

    def reject(self, duplicates: Mapping[str, str]) -> None:
        """Note files that are not opened, for another one has their id: uri -> uri of that one."""
        ids = {uri: self._items[uri].video_id for uri in duplicates}
        self._reject({uri: f"the id {ids[uri]} belongs to {of}" for uri, of in duplicates.items()})

    def expect(self, tasks: Sequence[Mapping[str, str]]) -> None:
        """Say which tasks there will be."""
        self._waiting.update(task["batch_id"] for task in tasks)

    def take(self, done: Done) -> None:
        """Take what a task did; commits its batch when that was the last task of it."""
        batch = self._open.setdefault(done.batch_id, Batch(done.batch_id))
        batch.rows += done.rows
        batch.parts += [done.part] if done.part else []
        self.decoded += done.decoded
        self.media_s += done.media_s
        self.reasons.update(row["reason"] for row in done.rows if row["reason"] is not None)
        self._take_same(done.touched)
        self._waiting[done.batch_id] -= 1
        if self._waiting[done.batch_id] == 0:
            del self._waiting[done.batch_id]
            batch = self._open.pop(done.batch_id)
            if batch.rows:  # else every file had only been touched
                self._commit(batch, {row["source_uri"] for row in batch.rows})

    def finish(self) -> None:
        """Commit what waits for more of its kind."""
        self._touch()
        self._reject(self._copies)
        self._copies = {}

    def _take_same(self, uris: Iterable[str]) -> None:
        """Files whose content is as known: that of the file itself, or of the one whose id they share."""
        for uri in uris:
            if uri in self._twins:
                self._copies[uri] = f"a copy of {self._twins[uri]}"
            else:
                self._same.append(self._items[uri])
        if len(self._same) + len(self._copies) >= _FILES_A_COMMIT:
            self.finish()

    def _touch(self) -> None:
        """Note the new times of files whose content had not changed."""
        if self._same:
            ledgers.touch(self.table.ledger, self._same)
        self.touched += len(self._same)
        self._same = []

    def _reject(self, messages: Mapping[str, str]) -> None:
        """Note duplicates: uri -> why it is one."""
        config_hash = self.table.config.content_hash()
        for some in _pieces(list(messages)):
            rows = [ledgers.duplicate_row(self._items[uri], messages[uri], config_hash) for uri in some]
            self.reasons.update(row["reason"] for row in rows)
            self._commit(Batch(uuid.uuid4().hex, rows=rows), set(some))

    def _commit(self, batch: Batch, uris: set[str]) -> None:
        self.table.commit(batch, uris & self._present, uris.isdisjoint(self._known), self.run_id)


def _pieces(uris: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(uris), _FILES_A_COMMIT):
        yield uris[start : start + _FILES_A_COMMIT]
