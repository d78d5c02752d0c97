"""The ledger: what became of every source file."""

from __future__ import annotations

import datetime
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Schema, write_deltalake
from deltalake.exceptions import CommitFailedError

from pipelines.result import FileResult
from pipelines.schema import LEDGER_SCHEMA, Reason, Status
from pipelines.sources.base import SourceItem
from pipelines.table import read_meta
from pipelines.transaction import batch_number, properties, taken_over

LedgerRow = dict[str, Any]

_SMALL_FILES = 256  # of a ledger, from which on they are merged: each is a read at every start
_ROWS_AT_ONCE = 65_536
_SAME_FILE = "old.source_uri = new.source_uri"
_KNOWN = ("size", "mtime", "source_sha256", "video_id", "status", "reason", "clips", "annotations_hash")


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger says of a file; an earlier version's says nothing of its annotations."""

    size: int
    mtime: float
    sha256: str | None
    video_id: str | None = None
    status: str = Status.OK.value
    reason: str | None = None
    clips: int = 0
    annotations_hash: str | None = None


def known_row(row: Mapping[str, Any]) -> Known:
    """A ledger row as what is remembered of it."""
    values: list[Any] = [row.get(name) for name in _KNOWN]
    return Known(*values)


def read_known(ledger: DeltaTable) -> dict[str, Known]:
    """The ledger's rows by source uri."""
    columns = ("source_uri", *_KNOWN)
    table = read_meta(ledger, columns)
    values = [table[name].to_pylist() for name in columns]
    known = {}
    for uri, size, mtime, sha256, video_id, status, reason, clips, said in zip(*values, strict=True):
        # One string for all files of a status: a row is what an ingest remembers of each of millions.
        status, reason, said = sys.intern(status), reason and sys.intern(reason), said and sys.intern(said)
        known[uri] = Known(size, mtime, sha256, video_id, status, reason, clips, said)
    return known


def with_annotations(known: Mapping[str, Known], hashes: Mapping[str, str]) -> dict[str, Known]:
    """The rows with the `annotations_hash` of some of them in place of what they had."""
    changed = {
        uri: replace(known[uri], annotations_hash=said) for uri, said in hashes.items() if uri in known
    }
    return {**known, **changed}


def read_signatures(ledger: DeltaTable) -> Iterator[tuple[str, str]]:
    """Video id and `picture_hash` of the videos that are no near duplicates, the earliest first."""
    columns = ("video_id", "picture_hash", "source_uri", "near_duplicate_of", "status", "ingested_at")
    table = read_meta(ledger, columns)
    wanted = pc.and_(pc.is_valid(table["picture_hash"]), pc.is_null(table["near_duplicate_of"]))
    table = table.filter(pc.and_(wanted, pc.equal(table["status"], Status.OK.value)))
    table = table.sort_by([("ingested_at", "ascending"), ("source_uri", "ascending")])
    for some in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        yield from zip(some["video_id"].to_pylist(), some["picture_hash"].to_pylist(), strict=True)


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
        "annotations_hash": item.annotations_hash(),
    }


def duplicate_row(item: SourceItem, message: str, config_hash: str) -> LedgerRow:
    """The ledger row of a file that gives no clips because another one has its id."""
    return ledger_row(item, FileResult(Status.REJECTED, None, Reason.DUPLICATE, message), config_hash)


def copy_row(item: SourceItem, owner: str, row: Known, config_hash: str) -> LedgerRow:
    """The ledger row of a file with the content of the file `owner`, whose own is `row`.

    It gives no clips because that does, or, where that gives none, for the same reason.
    """
    copied = duplicate_row(item, f"same content as {owner}", config_hash) | {"source_sha256": row.sha256}
    return copied if row.status == Status.OK else copied | {"status": row.status, "reason": row.reason}


def put(
    ledger: DeltaTable,
    rows: Sequence[LedgerRow],
    batch_id: str,
    at: datetime.datetime,
    new: bool,
    number: int,
) -> None:
    """Write the rows of batch `number` in one commit; those of the same files are replaced unless all are `new`.

    Nothing happens when the ledger has that batch already. Raises `JobError` when another ingest is at it.
    """
    stamped = [row | {"batch_id": batch_id, "ingested_at": at} for row in rows]
    table = pa.Table.from_pylist(stamped, schema=LEDGER_SCHEMA)

    def write() -> None:
        if new:
            write_deltalake(ledger, table, mode="append", commit_properties=properties(number))
        else:
            merge = ledger.merge(
                table,
                _SAME_FILE,
                source_alias="new",
                target_alias="old",
                commit_properties=properties(number),
            )
            merge.when_matched_update_all().when_not_matched_insert_all().execute()

    _once(ledger, number, write)


def drop(ledger: DeltaTable, uris: Sequence[str], number: int) -> None:
    """Take files out of the ledger, as batch `number`; otherwise as `put`."""
    gone = pa.table({"source_uri": pa.array(uris, pa.string())})

    def write() -> None:
        merge = ledger.merge(
            gone, _SAME_FILE, source_alias="new", target_alias="old", commit_properties=properties(number)
        )
        merge.when_matched_delete().execute()

    _once(ledger, number, write)


def replace_all(ledger: DeltaTable, rows: pa.Table, number: int) -> None:
    """Put `rows` in place of all that the ledger has, as batch `number`; otherwise as `put`."""

    def write() -> None:
        write_deltalake(
            ledger,
            rows.cast(LEDGER_SCHEMA),
            mode="overwrite",
            schema_mode="overwrite",
            commit_properties=properties(number),
        )

    _once(ledger, number, write)


def touch(ledger: DeltaTable, items: Sequence[SourceItem]) -> None:
    """Note new sizes and times of files whose content is as it was."""
    rows = {
        "source_uri": pa.array([item.uri for item in items], pa.string()),
        "size": pa.array([item.size for item in items], pa.int64()),
        "mtime": pa.array([item.mtime for item in items], pa.float64()),
    }
    _update(ledger, pa.table(rows))


def learn(ledger: DeltaTable, hashes: Mapping[str, str]) -> None:
    """Note the `annotations_hash`, by uri, of files whose clips have these annotations already."""
    _update(ledger, _hash_rows(hashes))


def annotate(ledger: DeltaTable, hashes: Mapping[str, str], number: int) -> None:
    """Write the `annotations_hash` of files, by uri, as batch `number`; otherwise as `put`."""
    _once(ledger, number, lambda: _merge(ledger, _hash_rows(hashes), properties(number)))


def _hash_rows(hashes: Mapping[str, str]) -> pa.Table:
    uris, values = pa.array(list(hashes), pa.string()), pa.array(list(hashes.values()), pa.string())
    return pa.table({"source_uri": uris, "annotations_hash": values})


def _update(ledger: DeltaTable, rows: pa.Table) -> None:
    """Replace columns of the files in `rows`; of no batch, so that a killed ingest does it again."""
    try:
        _merge(ledger, rows, None)
    except CommitFailedError as error:
        raise taken_over(ledger) from error


def _merge(ledger: DeltaTable, rows: pa.Table, commit: CommitProperties | None) -> None:
    merge = ledger.merge(rows, _SAME_FILE, source_alias="new", target_alias="old", commit_properties=commit)
    values = {name: f"new.{name}" for name in rows.column_names if name != "source_uri"}
    merge.when_matched_update(values).execute()


def add_columns(ledger: DeltaTable) -> None:
    """Give a ledger of an earlier version the columns that it lacks, without values."""
    there = {column.name for column in ledger.schema().fields}
    lacking = [column for column in Schema.from_arrow(LEDGER_SCHEMA).fields if column.name not in there]
    if not lacking:
        return
    try:
        ledger.alter.add_columns(lacking)
    except CommitFailedError as error:
        raise taken_over(ledger) from error
    ledger.update_incremental()


def merge_small_files(ledger: DeltaTable) -> None:
    """Merge the ledger's files once there are many."""
    if len(ledger.file_uris()) >= _SMALL_FILES:
        ledger.optimize.compact()


def totals(ledger: DeltaTable) -> dict[str, Any]:
    """Counts over the whole ledger: `ok`, `rejected`, `failed` and `reasons`."""
    table = read_meta(ledger, ("status", "reason"))
    return count(table["status"].to_pylist(), table["reason"].to_pylist())


def count(statuses: Iterable[str], reasons: Iterable[str | None]) -> dict[str, Any]:
    """The same of these files."""
    by_status = Counter(statuses)
    by_reason = Counter(reason for reason in reasons if reason is not None)
    return {
        **{status.value: by_status[status.value] for status in Status},
        "reasons": dict(sorted(by_reason.items())),
    }


def _once(ledger: DeltaTable, number: int, write: Callable[[], object]) -> None:
    """Do the commit `write` of batch `number`, unless another ingest, catching up, has done it."""
    if batch_number(ledger) >= number:
        return
    try:
        write()
    except CommitFailedError as error:
        ledger.update_incremental()
        if batch_number(ledger) < number:
            raise taken_over(ledger) from error
    ledger.update_incremental()
