"""Rows of a clip table, opened: their media still encoded, and not copied."""

from __future__ import annotations

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
        self._frames = [pictures for chunk in table.column("frames").chunks for pictures in _pictures(chunk)]
        self._audio = [sound for chunk in table.column("audio").chunks for sound in _sounds(chunk)]

    def __getitem__(self, row: int) -> StoredRow:
        value = self._small[row]
        start, end = value["audio_valid_start_s"], value["audio_valid_end_s"]
        return StoredRow(
            value["clip_id"],
            value["video_id"],
            value["fps"] or 0.0,
            value["n_frames"] or 0,
            value["source_fps"],
            self._frames[row],
            self._audio[row],
            None if start is None or end is None else (start, end),
            value["dataset"],
        )


def stored_row(table: pa.Table, row: int) -> StoredRow:
    """One row of a row group, its media still encoded and not copied."""
    return StoredRows(table.slice(row, 1))[0]


class Values:
    """Some neighbours among the values of a binary array, by index, without copying: Arrow's scalars are copies."""

    __slots__ = ("_data", "_first", "_places")

    def __init__(self, data: memoryview, places: memoryview, first: int) -> None:
        self._data, self._places, self._first = data, places, first

    def __getitem__(self, index: int) -> memoryview:
        at = self._first + index
        return self._data[self._places[at] : self._places[at + 1]]


def _pictures(lists: pa.ListArray) -> list[Values]:
    """The JPEGs of each row; a null list is an empty one."""
    data, places = _buffers(lists.values)
    return [Values(data, places, first) for first in lists.offsets.to_pylist()[:-1]]


def _sounds(array: pa.Array) -> list[memoryview | None]:
    """The FLAC of each row, None where it is null."""
    values = Values(*_buffers(array), 0)
    return [values[i] if valid else None for i, valid in enumerate(array.is_valid().to_pylist())]


def _buffers(array: pa.Array) -> tuple[memoryview, memoryview]:
    """The bytes of a binary array, and the places in them (int32) at which its values begin and the last one ends."""
    if array.type != pa.binary():  # files that deltalake rewrote may hold other kinds of it
        array = array.cast(pa.binary())
    _, places, data = array.buffers()
    # Arrow's buffers call themselves signed bytes, which JPEG decoders refuse.
    content = memoryview(data if data is not None else b"").cast("B")
    return content, memoryview(places).cast("B")[4 * array.offset :].cast("i")
