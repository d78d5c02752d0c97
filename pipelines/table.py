"""Opening clip tables: versions, small columns, and the row groups that hold the media."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from chronav import remote, storage
from chronav.errors import CallError
from pipelines.result import one_line
from pipelines.schema import CLIP_SCHEMA, LEDGER_SCHEMA, META_COLUMNS

_COLUMN_TYPES = {
    field.name: field.with_nullable(True) for schema in (LEDGER_SCHEMA, CLIP_SCHEMA) for field in schema
}
_ADDED_LATER = frozenset({"annotations_hash"})  # files of earlier versions lack them

CONTENT_APP = "chronav.content"
"""The Delta application id under which a rebuild numbers what it puts in the place of the old content."""

_CONFIG_KEY = "chronav.ingest_config"
_READERS = 16  # files read at once: many are small, and remote ones are mostly waited for

T = TypeVar("T")


@dataclass(frozen=True)
class RowGroup:
    """A row group of one data file of a table: `rows` rows, read by `(path, index)`."""

    path: str
    index: int
    rows: int


def open_table(path: str, version: int | None = None) -> DeltaTable:
    """Open a clip table or ledger; raises `CallError` when there is none at `path`."""
    remote.check(path)
    where, options = storage.delta_place(path)
    try:
        return DeltaTable(where, version=version, storage_options=options)
    except (DeltaError, FileNotFoundError, ValueError, OSError) as error:
        if isinstance(error, TableNotFoundError) or storage.is_file(path) or not storage.exists(path):
            raise CallError(f"there is no clip table at '{path}'", code="missing_table", path=path) from None
        message = one_line(error)
        raise CallError(f"cannot open table '{path}': {message}", code="bad_table", path=path) from None


def table_exists(path: str) -> bool:
    """Whether a Delta table is at `path`; raises `CallError` where its store cannot be used."""
    remote.check(path)
    return not storage.is_file(path) and bool(DeltaTable.is_deltatable(*storage.delta_place(path)))


def content_number(table: DeltaTable) -> int:
    """How often the whole content of a clip table has been replaced."""
    return table.transaction_version(CONTENT_APP) or 0


def config_key(content: int) -> str:
    """The table property that holds the config of content number `content`."""
    return f"{_CONFIG_KEY}.{content}" if content else _CONFIG_KEY


def stored_config(table: DeltaTable) -> dict[str, Any] | None:
    """The content keys of the config that a clip table's rows were made with; None for other Delta tables."""
    text = table.metadata().configuration.get(config_key(content_number(table)))
    return None if text is None else json.loads(text)


def data_files(table: DeltaTable) -> list[str]:
    """The table's data files as local paths or URLs, sorted by name."""
    return sorted(unquote(uri.removeprefix("file://")) for uri in table.file_uris())


def read_meta(table: DeltaTable, columns: tuple[str, ...] = META_COLUMNS) -> pa.Table:
    """The small columns of all rows of a clip table or ledger, in order of (data file, row)."""
    schema = pa.schema([_COLUMN_TYPES[name] for name in columns])

    def read(file: pq.ParquetFile) -> pa.Table:
        rows = file.read(columns=list(columns))
        for name in _ADDED_LATER.intersection(columns).difference(rows.column_names):
            rows = rows.append_column(name, pa.nulls(len(rows), pa.string()))
        # Files that deltalake itself wrote, in a merge, come back with string views: one type for all.
        return rows.select(list(columns)).cast(schema)

    parts = _each_file(data_files(table), read)
    return pa.concat_tables(parts) if parts else schema.empty_table()


def row_groups(table: DeltaTable) -> list[RowGroup]:
    """Every row group of the table, in order of (data file, row group)."""
    paths = data_files(table)

    def rows(file: pq.ParquetFile) -> list[int]:
        return [file.metadata.row_group(index).num_rows for index in range(file.metadata.num_row_groups)]

    counts = _each_file(paths, rows)
    return [
        RowGroup(path, index, n)
        for path, in_file in zip(paths, counts, strict=True)
        for index, n in enumerate(in_file)
    ]


def read_row_group(group: RowGroup, columns: list[str] | None = None) -> pa.Table:
    """The rows of one row group, media included unless `columns` says otherwise."""
    fs, inner = storage.arrow_fs(group.path)
    if isinstance(fs, pyarrow.fs.LocalFileSystem):
        # Straight from the page cache: a copy less of what is nearly all media.
        fs = pyarrow.fs.LocalFileSystem(use_mmap=True)
    with pq.ParquetFile(inner, filesystem=fs, pre_buffer=storage.is_url(group.path)) as file:
        return file.read_row_group(group.index, columns=columns)


def _each_file(paths: Sequence[str], read: Callable[[pq.ParquetFile], T]) -> list[T]:
    """What `read` makes of every file, in their order."""
    if not paths:
        return []
    # One file system for all: making one for a remote store asks it for its region.
    fs, first = storage.arrow_fs(paths[0])
    scheme = paths[0].removesuffix(first)

    def opened(path: str) -> T:
        with pq.ParquetFile(path.removeprefix(scheme), filesystem=fs) as file:
            return read(file)

    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(opened, paths))
