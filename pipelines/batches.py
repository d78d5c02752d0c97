"""The driver's side of an ingest: gathers what tasks did and commits each batch when it is whole."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from pipelines import ledger as ledgers
from pipelines.commit import Batch, ClipTable
from pipelines.task import Done


class Batches:
    """Commits the batches of one ingest to `table`.

    `known`: the ledger as it was before; `present`: the files that had clips then.
    """

    def __init__(
        self,
        table: ClipTable,
        plan: ledgers.Plan,
        known: Mapping[str, ledgers.Known],
        present: Collection[str],
        run_id: str,
    ) -> None:
        self.table = table
        self.decoded = 0
        self._known = known
        self._run_id = run_id
        self._present = set(present)
        self._twins = plan.twins
        self._items = {item.uri: item for item in (*plan.new, *plan.changed)}
        self._waiting: Counter[str] = Counter()
        self._open: dict[str, Batch] = {}
        self._same: list[str] = []
        self._reject({uri: self._taken(uri, of) for uri, of in plan.duplicates.items()})

    @property
    def touched(self) -> int:
        """How many files had another time but the same content."""
        return sum(uri not in self._twins for uri in self._same)

    def expect(self, tasks: Sequence[Mapping[str, str]]) -> None:
        """Say which tasks there will be."""
        self._waiting.update(task["batch_id"] for task in tasks)

    def take(self, done: Done) -> None:
        """Take what a task did; commits its batch when that was the last task of it."""
        batch = self._open.setdefault(done.batch_id, Batch(done.batch_id))
        batch.rows += done.rows
        batch.parts += [done.part] if done.part else []
        self._same += done.touched
        self.decoded += done.decoded
        self._waiting[done.batch_id] -= 1
        if self._waiting[done.batch_id] == 0:
            self._commit(self._open.pop(done.batch_id))

    def finish(self) -> None:
        """Note the new times of files whose content had not changed, and which files are copies."""
        touched = {uri: self._items[uri] for uri in self._same if uri not in self._twins}
        ledgers.touch(self.table.ledger, touched)
        copies = [uri for uri in self._same if uri in self._twins]
        self._reject({uri: f"a copy of {self._twins[uri]}" for uri in copies})

    def _taken(self, uri: str, of: str) -> str:
        return f"the id {self._items[uri].video_id} belongs to {of}"

    def _reject(self, messages: Mapping[str, str]) -> None:
        """Note duplicates: uri -> why it is one."""
        config_hash = self.table.config.content_hash()
        rows = [ledgers.duplicate_row(self._items[uri], text, config_hash) for uri, text in messages.items()]
        self._commit(Batch(uuid.uuid4().hex, rows=rows))

    def _commit(self, batch: Batch) -> None:
        if not batch.rows:
            return  # no duplicates, or every file had only been touched
        uris = {row["source_uri"] for row in batch.rows}
        self.table.commit(batch, uris & self._present, uris.isdisjoint(self._known), self._run_id)
