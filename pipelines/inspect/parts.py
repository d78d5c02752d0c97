"""The data files of a table one after the other: their footers and their small columns, never the media."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from chronav import storage
from pipelines.table import RowGroup, data_files

_THREADS = 8  # remote stores answer slowly, but many at a time
_AT_A_TIME = 64


@dataclass(frozen=True)
class Parts:
    """Some data files: the asked columns of their rows, their row groups, the bytes that each column takes."""

    files: int
    rows: pa.Table
    groups: list[RowGroup]
    column_bytes: Counter[str]


def read_parts(table: DeltaTable, schema: pa.Schema) -> Iterator[Parts]:
    """The columns of `schema`, some data files at a time, in order of their names."""
    paths = data_files(table)
    if not paths:
        return
    # One file system for all: making one for a remote store asks it for its region.
    fs, inner = storage.arrow_fs(paths[0])
    read = partial(_read_part, fs=fs, scheme=paths[0].removesuffix(inner), schema=schema)
    with ThreadPoolExecutor(_THREADS) as pool:
        for first in range(0, len(paths), _AT_A_TIME):
            found = list(pool.map(read, paths[first : first + _AT_A_TIME]))
            yield Parts(
                files=len(found),
                rows=pa.concat_tables(part.rows for part in found),
                groups=[group for part in found for group in part.groups],
                column_bytes=sum((part.column_bytes for part in found), Counter()),
            )


def _read_part(path: str, fs: Any, scheme: str, schema: pa.Schema) -> Parts:
    with pq.ParquetFile(path.removeprefix(scheme), filesystem=fs) as file:
        rows = file.read(columns=schema.names, use_threads=False).cast(schema)
        return Parts(1, rows, _groups(path, file.metadata), _column_bytes(file.metadata))


def _groups(path: str, metadata: Any) -> list[RowGroup]:
    return [
        RowGroup(path, index, metadata.row_group(index).num_rows) for index in range(metadata.num_row_groups)
    ]


def _column_bytes(metadata: Any) -> Counter[str]:
    sizes: Counter[str] = Counter()
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        for column in (group.column(i) for i in range(group.num_columns)):
            # a list's path is `frames.list.element`
            sizes[column.path_in_schema.partition(".")[0]] += column.total_compressed_size
    return sizes
