"""The videos of a clip table, as an evaluation sees them: label, group, splits, and where their rows are."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from deltalake import DeltaTable

from pipelines.table import RowGroup, read_meta, row_groups

_COLUMNS = (
    "video_id",
    "dataset",
    "label",
    "group",
    "splits",
    "start_s",
    "duration_s",
    "n_frames",
    "audio_valid_start_s",
    "audio_valid_end_s",
    "source_sha256",
    "source_uri",
)


@dataclass(frozen=True)
class Segment:
    """A row: row `row` of row group number `group`; `sound_s` is where it really has sound, in seconds.

    `start_s`: where it begins in the video.
    """

    group: int
    row: int
    n_frames: int
    sound_s: tuple[float, float] | None
    start_s: float = 0.0


@dataclass(frozen=True)
class Video:
    """A video with its segments in time order."""

    video_id: str
    dataset: str | None
    label: str | None
    group: str | None
    splits: Mapping[str, str]
    segments: tuple[Segment, ...]
    sha256: str | None = None  # of the source file
    uri: str | None = None  # of the source file

    def has(self, modality: str) -> bool:
        """Whether any segment holds frames (`video`) or sound (`audio`)."""
        return self.has_frames if modality == "video" else self.has_sound

    @property
    def has_frames(self) -> bool:
        """Whether any segment holds frames."""
        return any(segment.n_frames > 0 for segment in self.segments)

    @property
    def has_sound(self) -> bool:
        """Whether any segment holds sound."""
        return any(segment.sound_s is not None for segment in self.segments)


def read_videos(table: DeltaTable) -> tuple[list[Video], list[RowGroup]]:
    """All videos of a table sorted by id, and the row groups that their segments point into."""
    groups = row_groups(table)
    rows = read_meta(table, _COLUMNS).to_pylist()
    first_rows = np.cumsum([0, *(group.rows for group in groups)]).tolist()
    by_video: dict[str, list[tuple[float, Segment, dict[str, Any]]]] = {}
    for number, row in enumerate(rows):
        group = bisect_right(first_rows, number) - 1
        start = row["start_s"] or 0.0
        segment = Segment(group, number - first_rows[group], row["n_frames"] or 0, _sound(row), start)
        by_video.setdefault(row["video_id"], []).append((start, segment, row))
    return [_video(key, by_video[key]) for key in sorted(by_video)], groups


def _sound(row: Mapping[str, Any]) -> tuple[float, float] | None:
    begin, end = row["audio_valid_start_s"], row["audio_valid_end_s"]
    return None if begin is None or end is None or end <= begin else (begin, end)


def _video(video_id: str, parts: list[tuple[float, Segment, dict[str, Any]]]) -> Video:
    parts = sorted(parts, key=lambda part: part[0])
    row = parts[0][2]
    return Video(
        video_id=video_id,
        dataset=row["dataset"],
        label=row["label"],
        group=row["group"],
        splits=dict(row["splits"] or ()),
        segments=tuple(part[1] for part in parts),
        sha256=row["source_sha256"],
        uri=row["source_uri"],
    )


def labels_of(videos: Sequence[Video]) -> np.ndarray:
    """Class names, (V,); videos without one have the empty string."""
    return np.array([video.label or "" for video in videos], dtype=object)


def groups_of(videos: Sequence[Video]) -> np.ndarray:
    """What may not be torn apart when training data is divided: the group, else the video itself, (V,)."""
    return np.array([video.group or video.video_id for video in videos], dtype=object)


def units_of(videos: Sequence[Video]) -> np.ndarray:
    """Numbers of the groups (else the videos) that intervals are drawn over, (V,): what belongs together is alike."""
    return np.unique(groups_of(videos).astype(str), return_inverse=True)[1]
