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
from pipelines.schema import ANNOTATION_COLUMNS, LEDGER_SCHEMA, ledger_path
from pipelines.sources.base import hash_annotations
from pipelines.table import open_table, read_meta
from pipelines.writer import Part

_RECENT = 16  # commits looked through before the whole log is
_ROWS_AT_ONCE = 65_536


@dataclass
class Batch:
    """What is committed together: the parts that hold clips, ledger rows, files that go from both tables.

    `annotated`: uri -> `annotations_hash` of files of which only these change.
    `content`: of a rebuild, the folder below the table whose parts and ledger are the whole of its content.
    """

    batch_id: str
    parts: list[Part] = field(default_factory=list)
    rows: list[ledgers.LedgerRow] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    annotated: dict[str, str] = field(default_factory=dict)
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
            "annotated": json.dumps(self.batch.annotated),
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
        elif self.batch.annotated:
            ledgers.annotate(ledger, self.batch.annotated, self.number)
        else:
            ledgers.put(ledger, self.batch.rows, self.batch.batch_id, self.at, new, self.number)

    def known(self, before: Mapping[str, ledgers.Known]) -> dict[str, ledgers.Known]:
        """The ledger as it will be when this is written."""
        if self.batch.content:
            return ledgers.read_known(self._rebuilt())
        after = {uri: row for uri, row in before.items() if uri not in set(self.batch.dropped)}
        after |= {row["source_uri"]: ledgers.known_row(row) for row in self.batch.rows}
        return ledgers.with_annotations(after, self.batch.annotated)

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
        annotated=json.loads(record.get("annotated", "{}")),
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


def unknown_annotations(known: Mapping[str, ledgers.Known], clips: DeltaTable) -> dict[str, str]:
    """The `annotations_hash`, by uri, of files with clips whose ledger rows, of an earlier version, have none.

    It is that of what the clips say. The table's small columns are read for it, once: then the ledger is told.
    """
    wanted = {uri for uri, row in known.items() if row.clips and row.annotations_hash is None}
    hashes: dict[str, str] = {}
    if not wanted:
        return hashes
    rows = read_meta(clips, ("source_uri", *ANNOTATION_COLUMNS))
    for some in rows.to_batches(max_chunksize=_ROWS_AT_ONCE):
        for uri, dataset, label, group, splits in zip(*(c.to_pylist() for c in some.columns), strict=True):
            if uri in wanted and uri not in hashes:
                hashes[uri] = hash_annotations(dataset, label, group, dict(splits or ()))
    return hashes
