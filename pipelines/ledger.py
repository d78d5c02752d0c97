"""The ledger: what became of every source file, and what is new since."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
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

    size: int
    mtime: float
    sha256: str | None


@dataclass
class Plan:
    """What an ingest has to do with the files of a source, each under the id that it goes by.

    `duplicates`: files not to be opened, for another file has their id: uri -> uri of that one.
    `twins`: files that are as large as the one that has their id, and duplicates if their content is the
    same: uri -> uri of that one.
    """

    new: list[SourceItem] = field(default_factory=list)
    changed: list[SourceItem] = field(default_factory=list)
    unchanged: int = 0
    removed: list[str] = field(default_factory=list)
    duplicates: dict[str, str] = field(default_factory=dict)
    twins: dict[str, str] = field(default_factory=dict)

    @property
    def todo(self) -> list[SourceItem]:
        """The files to open, in the source's order."""
        opened = (item for item in (*self.new, *self.changed) if item.uri not in self.duplicates)
        return sorted(opened, key=lambda item: item.uri)


def read_known(ledger: DeltaTable) -> dict[str, Known]:
    """The ledger's rows by source uri."""
    columns = ("source_uri", "size", "mtime", "source_sha256")
    values = [read_meta(ledger, columns)[name].to_pylist() for name in columns]
    return {uri: Known(*rest) for uri, *rest in zip(*values, strict=True)}


def compare(
    items: Iterable[SourceItem], known: Mapping[str, Known], owners: Mapping[str, str], root: str
) -> Plan:
    """Hold a listing of the folder `root` against the ledger; a file is unchanged if size and time are.

    `owners`: video id -> uri of the file that its clips are from. No other file gets such an id.
    Ledger rows outside `root` come from other sources of the same table and are left alone.
    """
    plan = Plan()
    taken = dict(owners)
    clashes: list[tuple[SourceItem, str]] = []
    listed = set()
    for item in items:
        listed.add(item.uri)
        row = known.get(item.uri)
        if row is not None and (row.size, row.mtime) == (item.size, item.mtime):
            plan.unchanged += 1
            continue
        video_id = _claim(item, taken)
        owner = taken.get(item.video_id, item.uri)
        if video_id is None:
            plan.duplicates[item.uri] = owner
        elif owner != item.uri and video_id not in owners:
            clashes.append((item, owner))
        (plan.new if row is None else plan.changed).append(replace(item, video_id=video_id or item.video_id))
    plan.twins = _twins(clashes, known, {item.uri for item in plan.changed})
    inside = root.rstrip("/") + "/"
    plan.removed = [uri for uri in known if uri.startswith(inside) and uri not in listed]
    return plan


def _claim(item: SourceItem, taken: dict[str, str]) -> str | None:
    """The id that a file goes by: the one that it has, else the first of its ids that is free, else None."""
    ids = [video_id for video_id in (item.video_id, item.spare_id) if video_id is not None]
    ids.sort(key=lambda video_id: taken.get(video_id) != item.uri)
    return next((video_id for video_id in ids if taken.setdefault(video_id, item.uri) == item.uri), None)


def _twins(
    clashes: Iterable[tuple[SourceItem, str]], known: Mapping[str, Known], changed: set[str]
) -> dict[str, str]:
    """Which of the files that had to take their spare id may be copies of what the table holds."""
    return {
        item.uri: owner
        for item, owner in clashes
        if owner in known and owner not in changed and known[owner].size == item.size
    }


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
        "picture_hash": result.picture_hash,
        "seconds": result.seconds,
    }


def duplicate_row(item: SourceItem, message: str, config_hash: str) -> LedgerRow:
    """The ledger row of a file that gives no clips because another one does."""
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
    """Counts over the whole ledger: `ok`, `rejected`, `failed` and `reasons`."""
    table = read_meta(ledger, ("status", "reason"))
    statuses = Counter(table["status"].to_pylist())
    reasons = Counter(reason for reason in table["reason"].to_pylist() if reason is not None)
    return {
        **{status.value: statuses[status.value] for status in Status},
        "reasons": dict(sorted(reasons.items())),
    }


def _replace(ledger: DeltaTable, rows: pa.Table) -> None:
    merge = ledger.merge(rows, "old.source_uri = new.source_uri", source_alias="new", target_alias="old")
    merge.when_matched_update_all().when_not_matched_insert_all().execute()
