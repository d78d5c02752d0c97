"""The ledger: what became of every source file, and what is new since."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from pipelines.result import FileResult
from pipelines.schema import LEDGER_SCHEMA, Reason, Status
from pipelines.sources.base import SourceItem
from pipelines.table import read_meta

LedgerRow = dict[str, Any]


@dataclass(frozen=True)
class Known:
    """What the ledger says of a file."""

    video_id: str
    size: int
    mtime: float
    sha256: str | None


@dataclass
class Plan:
    """What an ingest has to do. `duplicates`: new files whose id another file of the table has."""

    new: list[SourceItem] = field(default_factory=list)
    changed: list[SourceItem] = field(default_factory=list)
    unchanged: int = 0
    removed: list[str] = field(default_factory=list)
    duplicates: list[tuple[SourceItem, str]] = field(default_factory=list)

    @property
    def todo(self) -> list[SourceItem]:
        """The files to open, in the source's order."""
        return sorted([*self.new, *self.changed], key=lambda item: item.uri)


def read_known(ledger: DeltaTable) -> dict[str, Known]:
    """The ledger's rows by source uri."""
    columns = ("source_uri", "video_id", "size", "mtime", "source_sha256")
    values = [read_meta(ledger, columns)[name].to_pylist() for name in columns]
    return {uri: Known(*rest) for uri, *rest in zip(*values, strict=True)}


def compare(items: Iterable[SourceItem], known: Mapping[str, Known], root: str) -> Plan:
    """Hold a listing of the folder `root` against the ledger; a file is unchanged if size and time are.

    Ledger rows outside `root` come from other sources of the same table and are left alone.
    """
    plan = Plan()
    owner = {row.video_id: uri for uri, row in known.items()}
    listed = set()
    for item in items:
        listed.add(item.uri)
        row = known.get(item.uri)
        if row is not None:
            if (row.size, row.mtime) == (item.size, item.mtime):
                plan.unchanged += 1
            else:
                plan.changed.append(item)
        elif owner.setdefault(item.video_id, item.uri) != item.uri:
            plan.duplicates.append((item, owner[item.video_id]))
        else:
            plan.new.append(item)
    inside = root.rstrip("/") + "/"
    plan.removed = [uri for uri in known if uri.startswith(inside) and uri not in listed]
    return plan


def ledger_row(item: SourceItem, result: FileResult, config_hash: str) -> LedgerRow:
    """The ledger row of a file, in values that JSON can carry; the commit adds batch and time."""
    return {
        "source_uri": item.uri,
        "video_id": item.video_id,
        "size": item.size,
        "mtime": item.mtime,
        "source_sha256": result.sha256,
        "config_hash": config_hash,
        "status": result.status.value,
        "reason": result.reason.value if result.reason else None,
        "message": result.message,
        "clips": len(result.rows),
        "seconds": result.seconds,
    }


def duplicate_row(item: SourceItem, of: str, config_hash: str) -> LedgerRow:
    """The ledger row of a file whose id is taken."""
    message = f"the id {item.video_id} belongs to {of}"
    result = FileResult(Status.REJECTED, reason=Reason.DUPLICATE, message=message)
    return ledger_row(item, result, config_hash)


def put(ledger: DeltaTable, rows: list[LedgerRow], batch_id: str, at: datetime.datetime, new: bool) -> None:
    """Write the rows of a batch in one commit; those of the same files are replaced unless all are `new`."""
    stamped = [row | {"batch_id": batch_id, "ingested_at": at} for row in rows]
    table = pa.Table.from_pylist(stamped, schema=LEDGER_SCHEMA)
    if new:
        write_deltalake(ledger, table, mode="append")
    else:
        _replace(ledger, table)


def touch(ledger: DeltaTable, touched: Mapping[str, SourceItem]) -> None:
    """Note new sizes and times of files whose content is as it was."""
    if not touched:
        return
    table = read_meta(ledger, tuple(LEDGER_SCHEMA.names))
    rows = [row for row in table.to_pylist() if row["source_uri"] in touched]
    for row in rows:
        item = touched[row["source_uri"]]
        row["size"], row["mtime"] = item.size, item.mtime
    _replace(ledger, pa.Table.from_pylist(rows, schema=LEDGER_SCHEMA))


def totals(ledger: DeltaTable) -> dict[str, Any]:
    """Counts over the whole ledger: `ok`, `rejected`, `failed`, `reasons` and `segments`."""
    table = read_meta(ledger, ("status", "reason", "clips"))
    statuses = Counter(table["status"].to_pylist())
    reasons = Counter(reason for reason in table["reason"].to_pylist() if reason is not None)
    return {
        **{status.value: statuses[status.value] for status in Status},
        "reasons": dict(sorted(reasons.items())),
        "segments": sum(table["clips"].to_pylist()),
    }


def _replace(ledger: DeltaTable, rows: pa.Table) -> None:
    merge = ledger.merge(rows, "old.source_uri = new.source_uri", source_alias="new", target_alias="old")
    merge.when_matched_update_all().when_not_matched_insert_all().execute()
