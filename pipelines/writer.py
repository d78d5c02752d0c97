"""Part files of a clip table, written by the tasks that decode: media never pass through the driver."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from chronav import storage
from pipelines.schema import CLIP_SCHEMA, MEDIA_COLUMNS

ROW_GROUP_BYTES = 32 * 2**20
_WITH_STATISTICS = [name for name in CLIP_SCHEMA.names if name not in (*MEDIA_COLUMNS, "splits")]


@dataclass(frozen=True)
class Part:
    """A Parquet file in the table's folder that no commit names yet."""

    name: str
    size: int
    rows: int


class PartWriter:
    """Writes one part file; makes none when no row is added. Use as a context manager, then take `part`."""

    def __init__(self, table: str) -> None:
        self.part: Part | None = None
        self._name = f"part-{uuid.uuid4().hex}.parquet"
        self._fs, self._path = storage.arrow_fs(storage.join(table, self._name))
        self._writer: pq.ParquetWriter | None = None
        self._pending: list[pa.Table] = []
        self._pending_bytes = self._rows = 0

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._flush()
        if self._writer is not None:
            self._writer.close()
            if error is None:
                self.part = Part(self._name, self._fs.get_file_info(self._path).size, self._rows)

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Append rows given as plain values."""
        for row in rows:
            self.add_table(pa.Table.from_pylist([row], schema=CLIP_SCHEMA))

    def add_table(self, table: pa.Table) -> None:
        """Append the rows of a table that has the clip schema."""
        # A row group never outgrows its size by more than one addition.
        if self._pending_bytes + table.nbytes > ROW_GROUP_BYTES:
            self._flush()
        self._pending.append(table)
        self._pending_bytes += table.nbytes
        self._rows += len(table)

    def _flush(self) -> None:
        if not self._pending:
            return
        if self._writer is None:
            # JPEG and FLAC do not shrink further; their statistics would be copies of whole media.
            self._writer = pq.ParquetWriter(
                self._path,
                CLIP_SCHEMA,
                filesystem=self._fs,
                compression="NONE",
                use_dictionary=False,
                write_statistics=_WITH_STATISTICS,
            )
        table = pa.concat_tables(self._pending)
        self._writer.write_table(table, row_group_size=len(table))
        self._pending, self._pending_bytes = [], 0
