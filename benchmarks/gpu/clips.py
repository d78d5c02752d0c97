"""The clips of the bundle: media through chronav's own ingest, then as many segments as there is room for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from benchmarks.gpu.shard import MEDIA
from chronav.config import build
from chronav.errors import CallError
from pipelines.config import IngestConfig
from pipelines.job import ingest
from pipelines.table import open_table, read_row_group, row_groups

# Below the folder of media: where a data set lies, and its layout; a folder with none of them is taken as it is.
KNOWN = (
    ("ucf101/videos", "ucf101"),
    ("vggsound/videos", "folder"),
    ("kinetics", "folder"),
    ("grid", "folder"),
)
_LEAST_S = 2.5  # of frames and of sound: room for two clips of different speeds
_HELDOUT_SHARE = 0.2
_COLUMNS = (
    "clip_id",
    "video_id",
    "dataset",
    "label",
    "group",
    "fps",
    "n_frames",
    "source_fps",
    "audio_valid_start_s",
    "audio_valid_end_s",
)

Row = dict[str, Any]


def sounding_rows(media: Path, tables: Path) -> list[list[Row]]:
    """The segments of each data set that have pictures and sound throughout, best to take first.

    Ingests into `tables` what is not there yet.
    """
    found = [(media / below, layout) for below, layout in KNOWN if (media / below).is_dir()]
    sources = found or [(media, "folder")]
    rows = []
    for folder, layout in sources:
        table = str(tables / folder.relative_to(media.parent).as_posix().replace("/", "-"))
        ingest(str(folder), table, build(IngestConfig), layout)
        rows.append(_in_order([row for row in _read(table) if _usable(row)]))
    if not any(rows):
        raise CallError(f"'{media}' holds no video with sound", code="empty_source", path=str(media))
    return rows


def choose(sets: Sequence[Sequence[Row]], room: int) -> list[Row]:
    """One row of each data set after the other, each that still fits into `room` bytes."""
    chosen = []
    for row in (row for turn in zip_longest(*sets) for row in turn if row is not None):
        size = row_bytes(row)
        if size <= room:
            chosen.append(row)
            room -= size
    return chosen


def unit(row: Row) -> str:
    """What is held out together: the row's group, else its video."""
    return row["group"] or row["video_id"]


def heldout_units(rows: Sequence[Row]) -> set[str]:
    """A fifth of the units, at least one, by hash."""
    ranked = sorted({unit(row) for row in rows}, key=_hash)
    return set(ranked[: max(1, round(_HELDOUT_SHARE * len(ranked)))])


def row_bytes(row: Row) -> int:
    """Bytes of a row in a shard: its media, and its line in the index."""
    index = 400 + 8 * len(row["frames"])
    return sum(map(len, row["frames"])) + len(row["audio"]) + index


def _read(table: str) -> list[Row]:
    columns = [*_COLUMNS, *MEDIA]
    return [
        row for group in row_groups(open_table(table)) for row in read_row_group(group, columns).to_pylist()
    ]


def _usable(row: Row) -> bool:
    if not row["n_frames"] or row["audio"] is None:
        return False
    sound_s = row["audio_valid_end_s"] - row["audio_valid_start_s"]
    return min(row["n_frames"] / row["fps"], sound_s) >= _LEAST_S


def _in_order(rows: list[Row]) -> list[Row]:
    """Classes of several videos first, class by class, for retrieval; else by a hash, which knows no preference."""
    videos: dict[str, set[str]] = {}
    for row in rows:
        if row["label"]:
            videos.setdefault(row["label"], set()).add(unit(row))

    def place(row: Row) -> tuple[bool, str, str]:
        shared = len(videos.get(row["label"] or "", ())) > 1
        return not shared, _hash(row["label"] or ""), _hash(row["clip_id"])

    return sorted(rows, key=place)


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
