"""Part files of a clip table, written by the tasks that decode: media never pass through the driver."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from chronav import storage
from pipelines.schema import CLIP_SCHEMA, MEDIA_COLUMNS

ROW_GROUP_BYTES = 32 * 2**20
# A row group's media in one page: Arrow then makes room for all of it at once when it reads, where it would grow page
# by page and copy what it has (1.1 MB a row: 95 us instead of 260).
_PAGE_BYTES = ROW_GROUP_BYTES
_WITH_STATISTICS = [name for name in CLIP_SCHEMA.names if name not in (*MEDIA_COLUMNS, "splits")]


@dataclass(frozen=True)
class Part:
    """A Parquet file of clips, `name` below the table's folder.

    `silent`: rows without sound; `first_uri`, `last_uri`: no row's source is outside these. All three go into
    the Delta log, so that no file has to be opened for them, and are None in files that others wrote without.
    """

    name: str
    size: int
    rows: int
    silent: int | None = None
    first_uri: str | None = None
    last_uri: str | None = None


class PartWriter:
    """Writes one part file; makes none when no row is added. Use as a context manager, then take `part`."""

    def __init__(self, table: str) -> None:
        self.part: Part | None = None
        self._name = f"part-{uuid.uuid4().hex}.parquet"
        self._fs, self._path = storage.arrow_fs(storage.join(table, self._name))
        self._writer: pq.ParquetWriter | None = None
        self._pending: list[pa.Table] = []
        self._pending_bytes = self._rows = self._silent = 0
        self._uris: set[str] = set()

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
                size = self._fs.get_file_info(self._path).size
                first, last = min(self._uris, default=None), max(self._uris, default=None)
                self.part = Part(self._name, size, self._rows, self._silent, first, last)

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Append rows given as plain values."""
        for row in rows:
            self.add_table(pa.Table.from_pylist([row], schema=CLIP_SCHEMA))

    def add_table(self, table: pa.Table) -> None:
        """Append the rows of a table that has the clip schema."""
        self._rows += len(table)
        self._silent += table["audio_valid_end_s"].null_count
        ends = pc.min_max(table["source_uri"]).as_py()
        self._uris |= {uri for uri in ends.values() if uri is not None}
        fits = self._pending_bytes + table.nbytes <= ROW_GROUP_BYTES
        # A row group is only larger than it should be where one row is.
        for rows in [table] if fits else (table.slice(index, 1) for index in range(len(table))):
            if self._pending_bytes + rows.nbytes > ROW_GROUP_BYTES:
                self._flush()
            self._pending.append(rows)
            self._pending_bytes += rows.nbytes

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
                data_page_size=_PAGE_BYTES,
                write_statistics=_WITH_STATISTICS,
            )
        table = pa.concat_tables(self._pending)
        self._writer.write_table(table, row_group_size=len(table))
        self._pending, self._pending_bytes = [], 0
