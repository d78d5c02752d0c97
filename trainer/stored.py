"""Rows of a clip table, opened: their media still encoded, and not copied."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.table import RowGroup, read_row_group
from trainer.sample import StoredRow

_SMALL = ["clip_id", "video_id", "dataset", "fps", "n_frames", "source_fps"]
_SMALL += ["audio_valid_start_s", "audio_valid_end_s"]
_COLUMNS = [*_SMALL, "frames", "audio"]


def open_rows(group: RowGroup) -> StoredRows:
    """The rows of one row group."""
    return StoredRows(read_row_group(group, _COLUMNS))


class StoredRows:
    """The rows of a row group, by number; their media still encoded and not copied."""

    def __init__(self, table: pa.Table) -> None:
        self._small = table.select(_SMALL).to_pylist()
        self._frames, self._audio = table.column("frames"), table.column("audio")

    def __getitem__(self, row: int) -> StoredRow:
        return _stored_row(self._small[row], self._frames[row], self._audio[row])


def stored_row(table: pa.Table, row: int) -> StoredRow:
    """One row of a row group, its media still encoded and not copied."""
    return StoredRows(table.slice(row, 1))[0]


def _stored_row(value: dict[str, Any], frames: pa.ListScalar, audio: pa.BinaryScalar) -> StoredRow:
    start, end = value["audio_valid_start_s"], value["audio_valid_end_s"]
    return StoredRow(
        value["clip_id"],
        value["video_id"],
        value["fps"] or 0.0,
        value["n_frames"] or 0,
        value["source_fps"],
        _Pictures(frames.values) if frames.is_valid and len(frames.values) else [],
        audio.as_buffer() if audio.is_valid else None,
        None if start is None or end is None else (start, end),
        value["dataset"],
    )


class _Pictures:
    """The JPEGs of a row, by index, without copying any: Arrow's own scalars would be copies."""

    def __init__(self, values: pa.Array) -> None:
        if values.type != pa.binary():  # files that deltalake rewrote may hold other kinds of it
            values = values.cast(pa.binary())
        _, ends, data = values.buffers()
        self._ends = np.frombuffer(ends, np.int32, len(values) + 1, 4 * values.offset).tolist()
        # Arrow's buffers call themselves signed, which JPEG decoders refuse.
        self._data = memoryview(data).cast("B")

    def __getitem__(self, index: int) -> memoryview:
        return self._data[self._ends[index] : self._ends[index + 1]]
