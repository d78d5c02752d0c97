"""A packed shard: rows of a clip table in one plain file, readable with the standard library alone.

Layout: 8 bytes little-endian length of the index, the index as JSON, then the media one after the other. The index
holds each row's small columns, and where its media lie: `frames` [start, length, length, …], `audio` [start, length],
counted from the end of the index. JPEG and FLAC files are the table's own, byte for byte.
"""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from trainer.sample import StoredRow

_LENGTH = struct.Struct("<Q")
MEDIA = ("frames", "audio")


def write_shard(path: Path, rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    """Write rows (column -> plain value; `frames` a list of bytes, `audio` bytes) and what is to be known of all."""
    index, at = [], 0
    for row in rows:
        lengths = [len(frame) for frame in row["frames"]]
        small = {name: value for name, value in row.items() if name not in MEDIA}
        audio_at = at + sum(lengths)
        index.append(small | {"frames": [at, *lengths], "audio": [audio_at, len(row["audio"])]})
        at = audio_at + len(row["audio"])
    text = json.dumps({"about": dict(about), "rows": index}).encode()
    with path.open("wb") as file:
        file.write(_LENGTH.pack(len(text)))
        file.write(text)
        for row in rows:
            file.writelines([*row["frames"], row["audio"]])


@dataclass(frozen=True)
class PackedRow:
    """One segment: what the trainer reads of it, and what it is judged by."""

    stored: StoredRow
    label: str | None
    group: str  # rows of one group are held out together, and do not count as each other's neighbours
    heldout: bool


class Shard:
    """A shard opened for reading; its media stay in the file until they are decoded."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        (length,) = _LENGTH.unpack_from(self._data)
        self._media = _LENGTH.size + length
        index = json.loads(bytes(self._data[_LENGTH.size : self._media]))
        self.path = path
        self.about: dict[str, Any] = index["about"]
        self.rows = [self._row(row) for row in index["rows"]]

    @property
    def sample_rate(self) -> int:
        """Samples per second of the sound."""
        return int(self.about["sample_rate"])

    def select(self, heldout: bool) -> list[PackedRow]:
        """The rows that are held out, or those that are trained on."""
        return [row for row in self.rows if row.heldout == heldout]

    def _row(self, row: Mapping[str, Any]) -> PackedRow:
        start, *lengths = row["frames"]
        ends = list(accumulate(lengths, initial=start))
        audio_at, audio_length = row["audio"]
        stored = StoredRow(
            clip_id=row["clip_id"],
            video_id=row["video_id"],
            fps=row["fps"],
            n_frames=row["n_frames"],
            source_fps=row["source_fps"],
            frames=[self._bytes(a, b - a) for a, b in pairwise(ends)],
            audio=self._bytes(audio_at, audio_length),
            audio_valid=(row["audio_valid_start_s"], row["audio_valid_end_s"]),
        )
        return PackedRow(stored, row["label"], row["group"] or row["video_id"], row["heldout"])

    def _bytes(self, start: int, length: int) -> memoryview:
        at = self._media + start
        return self._data[at : at + length]
