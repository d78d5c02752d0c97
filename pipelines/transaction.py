"""Commits to the Delta log of a clip table or ledger, numbered so that no two ingests can interleave.

Every commit is made from the table's latest state and fails when there is a later one. Those of an ingest name the
number of its batch, so that a foreign commit is told from one of another ingest: of two ingests that both believe to
be alone, the second to commit fails, with nothing written.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from chronav.errors import JobError
from pipelines.schema import CLIP_SCHEMA
from pipelines.table import CONTENT_APP
from pipelines.writer import Part

Actions = list[AddAction | RemoveAction]

_BATCHES = "chronav.ingest"
_TRIES = 5  # for a commit that foreign ones, of an `OPTIMIZE` say, get in the way of


def batch_number(table: DeltaTable) -> int:
    """The number of the last batch that an ingest committed to the table; 0 before the first."""
    return table.transaction_version(_BATCHES) or 0


def properties(
    number: int, record: Mapping[str, str] | None = None, content: int | None = None
) -> CommitProperties:
    """How batch `number` is committed; `record` is kept with the commit.

    `content`: the number of the content that the batch, of a rebuild, puts in the place of all there is.
    """
    numbers = {_BATCHES: number} | ({CONTENT_APP: content} if content is not None else {})
    return CommitProperties(
        custom_metadata=dict(record) if record else None,
        # Delta would commit after a foreign commit that moved the very files that this one takes out.
        max_commit_retries=0,
        app_transactions=[Transaction(app, n) for app, n in numbers.items()],
    )


def parts_of(table: DeltaTable) -> list[Part]:
    """The data files of a clip table, ordered by the sources that they hold; only the log is read."""
    files = pa.table(table.get_add_actions(flatten=True))
    keys = {
        "name": "path",
        "size": "size_bytes",
        "rows": "num_records",
        "silent": "null_count.audio_valid_end_s",
        "first_uri": "min.source_uri",
        "last_uri": "max.source_uri",
    }
    columns = {
        field: files[key].to_pylist() if key in files.column_names else [None] * len(files)
        for field, key in keys.items()
    }
    parts = [Part(*values) for values in zip(*columns.values(), strict=True)]
    return sorted(parts, key=lambda part: (part.first_uri or "", part.name))


def add(part: Part, data_change: bool = True) -> AddAction:
    """The action that makes a part file visible."""
    stats: dict[str, Any] = {"numRecords": part.rows}
    if part.first_uri is not None and part.last_uri is not None:
        stats |= {"minValues": {"source_uri": part.first_uri}, "maxValues": {"source_uri": part.last_uri}}
    if part.silent is not None:
        stats["nullCount"] = {"audio_valid_end_s": part.silent}
    return AddAction(part.name, part.size, {}, _now_ms(), data_change, json.dumps(stats))


def remove(part: Part, data_change: bool = True) -> RemoveAction:
    """The action that takes a part file out of the table; older versions still have it."""
    return RemoveAction(
        path=part.name,
        size=part.size,
        deletion_timestamp=_now_ms(),
        data_change=data_change,
        partition_values={},
    )


def commit(
    table: DeltaTable,
    actions: Callable[[], Actions],
    number: int,
    record: Mapping[str, str] | None = None,
    content: int | None = None,
) -> None:
    """Commit what `actions` makes from the table's latest state, as batch `number`, in one transaction.

    With a `content` number everything else goes out of the table. Raises `JobError` when another ingest has
    committed in the meantime.
    """
    mode = "append" if content is None else "overwrite"
    before = batch_number(table)
    for _ in range(_TRIES):
        try:
            table.create_write_transaction(
                actions(), mode, CLIP_SCHEMA, commit_properties=properties(number, record, content)
            )
        except CommitFailedError:
            table.update_incremental()
            if batch_number(table) != before:
                break
        else:
            table.update_incremental()
            return
    raise taken_over(table)


def taken_over(table: DeltaTable) -> JobError:
    """What to raise when another ingest has committed to the table of this one."""
    where = unquote(table.table_uri.removeprefix("file://")).rstrip("/")
    return JobError(
        f"another ingest has written '{where}' in the meantime; what was committed stays, run this one again",
        code="concurrent_ingest",
        path=where,
    )


def _now_ms() -> int:
    return int(time.time() * 1000)
