"""Opening clip tables: versions, small columns, and the row groups that hold the media."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from chronav import storage
from chronav.errors import CallError
from pipelines.schema import CLIP_SCHEMA, LEDGER_SCHEMA, META_COLUMNS

_COLUMN_TYPES = {
    field.name: field.with_nullable(True) for schema in (LEDGER_SCHEMA, CLIP_SCHEMA) for field in schema
}


_CONFIG_KEY = "chronav.ingest_config"


@dataclass(frozen=True)
class RowGroup:
    """A row group of one data file of a table: `rows` rows, read by `(path, index)`."""

    path: str
    index: int
    rows: int


def open_table(path: str, version: int | None = None) -> DeltaTable:
    """Open a clip table or ledger; raises `CallError` when there is none at `path`."""
    try:
        return DeltaTable(storage.absolute(path), version=version)
    except (TableNotFoundError, FileNotFoundError, ValueError, OSError) as error:
        if isinstance(error, TableNotFoundError) or not storage.exists(path):
            raise CallError(f"there is no clip table at '{path}'", code="missing_table", path=path) from None
        message = " ".join(str(error).split())
        raise CallError(f"cannot open table '{path}': {message}", code="bad_table", path=path) from None


def table_exists(path: str) -> bool:
    """Whether a Delta table is at `path`."""
    return not storage.is_file(path) and bool(DeltaTable.is_deltatable(storage.absolute(path)))


def stored_config(table: DeltaTable) -> dict[str, Any] | None:
    """The content keys of the config that a clip table's rows were made with; None for other Delta tables."""
    text = table.metadata().configuration.get(_CONFIG_KEY)
    return None if text is None else json.loads(text)


def data_files(table: DeltaTable) -> list[str]:
    """The table's data files as local paths or URLs, sorted by name."""
    return sorted(uri.removeprefix("file://") for uri in table.file_uris())


def read_meta(table: DeltaTable, columns: tuple[str, ...] = META_COLUMNS) -> pa.Table:
    """The small columns of all rows of a clip table or ledger, in order of (data file, row)."""
    schema = pa.schema([_COLUMN_TYPES[name] for name in columns])
    # Files that deltalake itself wrote, in a merge, come back with string views: one type for all.
    parts = [_read_columns(path, columns).cast(schema) for path in data_files(table)]
    return pa.concat_tables(parts) if parts else schema.empty_table()


def row_groups(table: DeltaTable) -> list[RowGroup]:
    """Every row group of the table, in order of (data file, row group)."""
    groups = []
    for path in data_files(table):
        fs, inner = storage.arrow_fs(path)
        metadata = pq.read_metadata(inner, filesystem=fs)
        groups += [
            RowGroup(path, index, metadata.row_group(index).num_rows)
            for index in range(metadata.num_row_groups)
        ]
    return groups


def read_row_group(group: RowGroup, columns: list[str] | None = None) -> pa.Table:
    """The rows of one row group, media included unless `columns` says otherwise."""
    fs, inner = storage.arrow_fs(group.path)
    with pq.ParquetFile(inner, filesystem=fs) as file:
        return file.read_row_group(group.index, columns=columns)


def _read_columns(path: str, columns: tuple[str, ...]) -> pa.Table:
    fs, inner = storage.arrow_fs(path)
    return pq.ParquetFile(inner, filesystem=fs).read(columns=list(columns))
