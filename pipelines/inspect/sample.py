"""A random sample of segments, with what a page shows of each: some frames, the course of the sound, the sound."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import simplejpeg
import soundfile

from pipelines.audio import encode_flac
from pipelines.schema import MEDIA_COLUMNS
from pipelines.table import RowGroup, read_row_group

SHOWN_S = 15.0  # of a longer segment only the beginning is shown
FRAMES = 8
COLUMNS = 480
"""How many frames, and how many columns of the waveform, stand for the time that is shown."""

_THUMBNAIL = 160  # pixels of the short side; larger frames are scaled down
_THUMBNAIL_QUALITY = 75


@dataclass(frozen=True)
class Wave:
    """The course of a sound: lowest and highest sample of each column, float32 (COLUMNS,) in -1..1.

    `valid`: from where to where the source has sound, as shares of the time shown.
    """

    low: np.ndarray
    high: np.ndarray
    valid: tuple[float, float]


@dataclass(frozen=True)
class Sheet:
    """What is shown of a segment: the small columns of its row, JPEG frames, its waveform and its sound (FLAC).

    Frame k is the one at k / FRAMES of `shown_s`, so that it stands above the sound of its instant.
    """

    row: dict[str, Any]
    shown_s: float
    frames: list[bytes]
    wave: Wave | None
    sound: bytes | None

    @property
    def size(self) -> int:
        """Bytes of its media."""
        return sum(map(len, self.frames)) + len(self.sound or b"")


def draw(groups: Sequence[RowGroup], count: int, seed: int) -> list[tuple[RowGroup, int]]:
    """Up to `count` different rows, all as likely: (row group, row within it), in the table's order."""
    ends = np.cumsum([group.rows for group in groups], dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    chosen = np.random.default_rng(seed).choice(total, min(count, total), replace=False)
    places = []
    for row in np.sort(chosen):
        index = int(np.searchsorted(ends, row, side="right"))
        places.append((groups[index], int(row - ends[index] + groups[index].rows)))
    return places


def read_sheets(places: Iterable[tuple[RowGroup, int]], room: int) -> list[Sheet]:
    """The sheets of some rows, one row group in memory at a time; sounds beyond `room` bytes are left out."""
    sheets = []
    # Rows of a group follow one another in what `draw` gives: each group is read once.
    for group, drawn in groupby(places, key=itemgetter(0)):
        rows = read_row_group(group)
        for _, index in drawn:
            [row] = rows.slice(index, 1).to_pylist()
            made = sheet(row)
            if made.size > room:
                made = replace(made, sound=None)
            room -= made.size
            sheets.append(made)
    return sheets


def sheet(row: dict[str, Any]) -> Sheet:
    """What is shown of a row of the clip table."""
    small = {name: value for name, value in row.items() if name not in MEDIA_COLUMNS}
    shown_s = min(row["duration_s"], SHOWN_S)
    wave, sound = None, None
    if row["audio"] is not None:
        samples, rate = soundfile.read(io.BytesIO(row["audio"]), dtype="float32")
        samples = samples[: round(shown_s * rate)]
        whole = shown_s == row["duration_s"]
        sound = row["audio"] if whole else encode_flac(samples, rate)
        wave = _wave(samples, row, shown_s)
    return Sheet(small, shown_s, _frames(row, shown_s), wave, sound)


def _frames(row: dict[str, Any], shown_s: float) -> list[bytes]:
    if not row["frames"]:
        return []
    instants = np.arange(FRAMES) / FRAMES * shown_s
    index = np.clip(np.round(instants * row["fps"]).astype(int), 0, len(row["frames"]) - 1)
    return [_thumbnail(row["frames"][i]) for i in index]


def _thumbnail(jpeg: bytes) -> bytes:
    height, width, *_ = simplejpeg.decode_jpeg_header(jpeg)
    if min(height, width) <= _THUMBNAIL:
        return jpeg
    scale = _THUMBNAIL / min(height, width)
    # The decoder gives the smallest of its sizes (eighths) that is at least this large.
    small = simplejpeg.decode_jpeg(jpeg, min_height=round(height * scale), min_width=round(width * scale))
    return simplejpeg.encode_jpeg(small, _THUMBNAIL_QUALITY, "RGB", "420")


def _wave(samples: np.ndarray, row: dict[str, Any], shown_s: float) -> Wave:
    starts = np.arange(COLUMNS) * len(samples) // COLUMNS
    ends = (row["audio_valid_start_s"] / shown_s, row["audio_valid_end_s"] / shown_s)
    valid = (min(max(ends[0], 0.0), 1.0), min(max(ends[1], 0.0), 1.0))
    return Wave(np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts), valid)
