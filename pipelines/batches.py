"""The driver's side of an ingest: gathers what tasks did and commits each batch when it is whole."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence

from pipelines import ledger as ledgers
from pipelines.commit import Batch, ClipTable
from pipelines.task import Done


class Batches:
    """Commits the batches of one ingest to `table`; `known` is the ledger as it was before."""

    def __init__(
        self, table: ClipTable, plan: ledgers.Plan, known: Mapping[str, ledgers.Known], run_id: str
    ) -> None:
        self.table = table
        self.decoded = 0
        self._known = known
        self._run_id = run_id
        self._present = table.video_ids() if plan.todo else set()
        self._items = {item.uri: item for item in plan.changed}
        self._waiting: Counter[str] = Counter()
        self._open: dict[str, Batch] = {}
        self._touched: list[str] = []
        if plan.duplicates:
            self._reject(plan)

    @property
    def touched(self) -> int:
        """How many files had another time but the same content."""
        return len(self._touched)

    def expect(self, tasks: Sequence[Mapping[str, str]]) -> None:
        """Say which tasks there will be."""
        self._waiting.update(task["batch_id"] for task in tasks)

    def take(self, done: Done) -> None:
        """Take what a task did; commits its batch when that was the last task of it."""
        batch = self._open.setdefault(done.batch_id, Batch(done.batch_id))
        batch.rows += done.rows
        batch.parts += [done.part] if done.part else []
        self._touched += done.touched
        self.decoded += done.decoded
        self._waiting[done.batch_id] -= 1
        if self._waiting[done.batch_id] == 0:
            self._commit(self._open.pop(done.batch_id))

    def finish(self) -> None:
        """Note the new times of files whose content had not changed."""
        ledgers.touch(self.table.ledger, {uri: self._items[uri] for uri in self._touched})

    def _reject(self, plan: ledgers.Plan) -> None:
        config_hash = self.table.config.content_hash()
        rows = [ledgers.duplicate_row(item, of, config_hash) for item, of in plan.duplicates]
        self.table.commit(Batch(uuid.uuid4().hex, rows=rows), set(), True, self._run_id)

    def _commit(self, batch: Batch) -> None:
        if not batch.rows:
            return  # every file had only been touched
        replaced = {row["video_id"] for row in batch.rows} & self._present
        new = all(row["source_uri"] not in self._known for row in batch.rows)
        self.table.commit(batch, replaced, new, self._run_id)
