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


@dataclass(frozen=True)
class PartView:
    """A data file: the asked columns of its rows, its row groups, the bytes that each column takes."""

    rows: pa.Table
    groups: list[RowGroup]
    column_bytes: Counter[str]


def read_parts(table: DeltaTable, schema: pa.Schema) -> Iterator[PartView]:
    """The columns of `schema`, data file by data file in order of their names; a few are read ahead."""
    paths, ahead = data_files(table), 4 * _THREADS
    with ThreadPoolExecutor(_THREADS) as pool:
        for first in range(0, len(paths), ahead):
            yield from pool.map(partial(_read_part, schema=schema), paths[first : first + ahead])


def _read_part(path: str, schema: pa.Schema) -> PartView:
    fs, inner = storage.arrow_fs(path)
    with pq.ParquetFile(inner, filesystem=fs) as file:
        rows = file.read(columns=schema.names, use_threads=False).cast(schema)
        return PartView(rows, _groups(path, file.metadata), _column_bytes(file.metadata))


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
