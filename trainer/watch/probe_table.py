"""The labelled table of a probe: checked and chosen from before anything starts."""

from __future__ import annotations

import io
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile

from chronav.errors import CallError
from pipelines.table import RowGroup, open_table, read_row_group, row_groups
from trainer.batch import video_key
from trainer.config import PretrainConfig
from trainer.tables import TrainingData
from trainer.watch.knn import Asked

_COLUMNS = [
    "video_id",
    "label",
    "group",
    "splits",
    "fps",
    "n_frames",
    "audio_valid_start_s",
    "audio_valid_end_s",
]


@dataclass(frozen=True)
class ProbeRow:
    """A segment of a probe's video: which of its clips are long enough."""

    video: int  # position among the probe's videos
    group: RowGroup
    row: int
    has_video: bool
    has_audio: bool


@dataclass(frozen=True)
class Probe:
    """Chosen videos of a labelled table, and how they are asked."""

    path: str
    version: int
    rows: tuple[ProbeRow, ...]
    asked: Asked
    split: str | None  # the official split; None: each video among all others

    def __str__(self) -> str:
        how = f"split {self.split}" if self.split else "each video among all others"
        return f"{self.path}@{self.version}, {len(self.asked.label)} videos, {how}"


@dataclass
class _Video:
    label: str
    unit: str
    splits: dict[str, str]
    rows: list[tuple[RowGroup, int, bool, bool]]


def open_probe(path: str, config: PretrainConfig, data: TrainingData) -> Probe:
    """Open the table and choose at most `probe_videos` of its labelled videos, by hash.

    Raises `CallError` where there is no table, where its labels say nothing, or where it is not stored at the frame
    and sample rate of the training tables.
    """
    table = open_table(path)
    lacking = set(_COLUMNS) - {field.name for field in table.schema().fields}
    if lacking:
        raise _refused(path, f"is no clip table: it has no column '{min(lacking)}'", "bad_table")
    videos = _labelled_videos(path, row_groups(table), config, data)
    split = _official_split(videos)
    if split is not None:
        videos = {name: v for name, v in videos.items() if v.splits.get(split) in ("train", "test")}
    names = sorted(videos, key=lambda name: video_key(None, name))[: config.probe_videos]
    chosen = [videos[name] for name in names]
    parts = [video.splits.get(split, "") if split else "both" for video in chosen]
    asked = Asked(
        _codes([video.label for video in chosen]),
        _codes([video.unit for video in chosen]),
        np.array([part in ("test", "both") for part in parts], bool),
        np.array([part in ("train", "both") for part in parts], bool),
    )
    rows = tuple(ProbeRow(i, *row) for i, video in enumerate(chosen) for row in video.rows)
    _check(path, asked)
    _check_sound(path, rows, data.sample_rate)
    return Probe(path, table.version(), rows, asked, split)


def _labelled_videos(
    path: str, groups: list[RowGroup], config: PretrainConfig, data: TrainingData
) -> dict[str, _Video]:
    videos: dict[str, _Video] = {}
    for group in groups:
        for index, row in enumerate(read_row_group(group, _COLUMNS).to_pylist()):
            has_video, has_audio = _long_enough(row, config, data)
            if row["label"] is None or not (has_video or has_audio):
                continue
            if has_video and row["fps"] != data.fps:
                raise _refused(
                    path,
                    f"is stored at {row['fps']:g} frames/s, what is trained on at {data.fps:g}",
                    "mixed_fps",
                )
            unit = row["group"] or row["video_id"]
            new = _Video(row["label"], unit, dict(row["splits"] or ()), [])
            videos.setdefault(row["video_id"], new).rows.append((group, index, has_video, has_audio))
    return videos


def _long_enough(row: dict[str, Any], config: PretrainConfig, data: TrainingData) -> tuple[bool, bool]:
    """Whether a segment holds a video clip and an audio clip at speed 1, of a modality that is trained."""
    has_video = data.fps > 0 and (row["n_frames"] or 0) >= config.video.n_frames
    start, end = row["audio_valid_start_s"], row["audio_valid_end_s"]
    has_audio = data.sample_rate > 0 and end is not None and end - start >= config.audio.clip_s
    return has_video, has_audio


def _official_split(videos: dict[str, _Video]) -> str | None:
    """The first split that has both a train and a test part."""
    parts: dict[str, set[str]] = defaultdict(set)
    for video in videos.values():
        for name, part in video.splits.items():
            parts[name].add(part)
    return min((name for name, found in parts.items() if {"train", "test"} <= found), default=None)


def _codes(texts: list[str]) -> np.ndarray:
    return np.unique(np.array(texts, object), return_inverse=True)[1] if texts else np.zeros(0, int)


def _check(path: str, asked: Asked) -> None:
    if not len(asked.label):
        raise _refused(path, "holds no labelled video that is long enough for a clip", "unlabelled")
    if asked.label.max() == 0:
        raise _refused(path, "has one label only", "unlabelled")
    # Whom can be answered: a neighbour of the same label, and not of the same unit.
    alike = asked.label[asked.query, None] == asked.label[None, asked.gallery]
    apart = asked.unit[asked.query, None] != asked.unit[None, asked.gallery]
    if not (alike & apart).any():
        raise _refused(path, "has no two videos (of unlike groups) with the same label", "unlabelled")


def _check_sound(path: str, rows: tuple[ProbeRow, ...], sample_rate: int) -> None:
    first = next((row for row in rows if row.has_audio), None)
    if first is None:
        return
    audio = read_row_group(first.group, ["audio"]).column("audio")[first.row].as_py()
    rate = int(soundfile.info(io.BytesIO(audio)).samplerate)
    if rate != sample_rate:
        raise _refused(path, f"is stored at {rate} Hz, what is trained on at {sample_rate} Hz", "mixed_rates")


def _refused(path: str, why: str, code: str) -> CallError:
    return CallError(f"--probe: '{path}' {why}", code=code, key="probe", path=path)
