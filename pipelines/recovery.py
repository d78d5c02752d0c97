"""What is known of a table's last batch from its log alone, for an ingest that starts where one was killed."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deltalake import DeltaTable

from chronav import storage
from pipelines import ledger as ledgers
from pipelines import transaction
from pipelines.plan import State, examined, trusted
from pipelines.schema import LEDGER_SCHEMA, ledger_path
from pipelines.table import open_table, read_meta
from pipelines.writer import Part

_RECENT = 16  # commits looked through before the whole log is


@dataclass
class Batch:
    """What is committed together: the parts that hold clips, ledger rows, files that go from both tables.

    `content`: of a rebuild, the folder below the table whose parts and ledger are the whole of its content.
    """

    batch_id: str
    parts: list[Part] = field(default_factory=list)
    rows: list[ledgers.LedgerRow] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    content: str | None = None


@dataclass(frozen=True)
class Entry:
    """What the ledger of `table` is told of batch `number`."""

    table: str
    number: int
    at: datetime.datetime
    batch: Batch

    def record(self, run_id: str) -> dict[str, str]:
        """What goes into the clip table's log with the batch, so that the entry can be made from there."""
        return {
            "number": str(self.number),
            "at": self.at.isoformat(),
            "batch_id": self.batch.batch_id,
            "ledger": json.dumps(self.batch.rows),
            "dropped": json.dumps(self.batch.dropped),
            "content": self.batch.content or "",
            "mlflow_run_id": run_id,
        }

    def write(self, ledger: DeltaTable, new: bool = False) -> None:
        """Write it, unless the ledger has it; `new`: none of the batch's files is in the ledger yet."""
        if self.batch.content:
            rows = read_meta(self._rebuilt(), tuple(LEDGER_SCHEMA.names))
            ledgers.replace_all(ledger, rows, self.number)
        elif self.batch.dropped:
            ledgers.drop(ledger, self.batch.dropped, self.number)
        else:
            ledgers.put(ledger, self.batch.rows, self.batch.batch_id, self.at, new, self.number)

    def known(self, before: Mapping[str, ledgers.Known]) -> dict[str, ledgers.Known]:
        """The ledger as it will be when this is written."""
        if self.batch.content:
            return ledgers.read_known(self._rebuilt())
        after = {uri: row for uri, row in before.items() if uri not in set(self.batch.dropped)}
        return after | {row["source_uri"]: ledgers.known_row(row) for row in self.batch.rows}

    def _rebuilt(self) -> DeltaTable:
        return open_table(ledger_path(storage.join(self.table, self.batch.content or "")))


def pending(table: str, clips: DeltaTable, ledger: DeltaTable) -> Entry | None:
    """The last batch of the clip table if the ledger lacks it."""
    number = transaction.batch_number(clips)
    if transaction.batch_number(ledger) >= number:
        return None
    record = _record(clips, number)
    if record is None:
        return None  # that part of the log is gone: `state_of` finds what the ledger lacks
    batch = Batch(
        record["batch_id"],
        rows=json.loads(record["ledger"]),
        dropped=json.loads(record["dropped"]),
        content=record["content"] or None,
    )
    return Entry(table, number, datetime.datetime.fromisoformat(record["at"]), batch)


def _record(clips: DeltaTable, number: int) -> Mapping[str, Any] | None:
    for limit in (_RECENT, None):
        for commit in clips.history(limit):
            if commit.get("number") == str(number):
                return commit
    return None


def state_of(known: Mapping[str, ledgers.Known], clips: DeltaTable) -> State:
    """What a clip table holds, beside the rows `known` of its ledger.

    Its data files are only opened where the ledger and the table's log contradict each other.
    """
    if sum(row.clips for row in known.values()) == sum(part.rows for part in transaction.parts_of(clips)):
        return trusted(known)
    return examined(known, read_meta(clips, ("video_id", "source_uri")))
