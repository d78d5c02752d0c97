"""Adding up a clip table part by part; what is kept grows with segments and videos, by a few bytes each."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.inspect import videos
from pipelines.inspect.bins import summary
from pipelines.inspect.parts import Parts
from pipelines.schema import CLIP_SCHEMA, MEDIA_COLUMNS
from pipelines.table import RowGroup

COLUMNS = (
    *videos.COLUMNS,
    "duration_s",
    "n_frames",
    "width",
    "height",
    "source_fps",
    "audio_valid_start_s",
    "audio_valid_end_s",
    "audio_rms_db",
    "motion",
    "config_hash",
    "schema_version",
    "ingested_at",
)
SCHEMA = pa.schema([CLIP_SCHEMA.field(name).with_nullable(True) for name in COLUMNS])
_MOST_KINDS = 100  # picture sizes and frame rates that are listed


class Tally:
    """Takes the parts of a clip table, read with `SCHEMA`; `numbers` says what they add up to."""

    def __init__(self) -> None:
        self.groups: list[RowGroup] = []
        self.column_bytes: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._hours = {"video": 0.0, "sound": 0.0}
        self._kinds: dict[str, Counter[Any]] = {"sizes": Counter(), "fps": Counter()}
        self._seen: dict[str, set[Any]] = {"config_hash": set(), "schema_version": set()}
        self._values: dict[str, list[np.ndarray]] = {"duration_s": [], "audio_rms_db": [], "motion": []}
        self._videos = [_video_rows(SCHEMA.empty_table())]
        self._span: list[Any] = []

    def add(self, parts: Parts) -> None:
        """Count some parts."""
        rows = parts.rows
        self.groups += parts.groups
        self.column_bytes += parts.column_bytes
        if not len(rows):
            return
        self._count(rows)
        self._videos.append(_video_rows(rows))
        for name, values in self._values.items():
            values.append(pc.drop_null(rows[name]).to_numpy())
        for name, seen in self._seen.items():
            seen.update(pc.unique(rows[name]).to_pylist())
        ends = pc.min_max(rows["ingested_at"]).as_py()
        self._span += [time for time in ends.values() if time is not None]

    def _count(self, rows: pa.Table) -> None:
        sight = rows.filter(pc.greater(rows["n_frames"], 0))
        sound = rows.filter(pc.is_valid(rows["audio_valid_end_s"]))
        heard = pc.sum(pc.subtract(sound["audio_valid_end_s"], sound["audio_valid_start_s"]))
        self._counts.update(
            segments=len(rows),
            segments_with_sound=len(sound),
            segments_with_video=len(sight),
        )
        self._hours["video"] += (pc.sum(sight["duration_s"]).as_py() or 0.0) / 3600
        self._hours["sound"] += (heard.as_py() or 0.0) / 3600
        sizes = sight.group_by(["width", "height"], use_threads=False).aggregate([([], "count_all")])
        self._kinds["sizes"].update(
            {(row["width"], row["height"]): row["count_all"] for row in sizes.to_pylist()}
        )
        rates = pc.value_counts(pc.round(pc.drop_null(sight["source_fps"]), 2)).to_pylist()
        self._kinds["fps"].update({row["values"]: row["counts"] for row in rates})

    def numbers(self) -> dict[str, Any]:
        """Everything that is counted, as plain values."""
        counts, size = self._counts, self.column_bytes
        values = {name: np.concatenate([*parts, np.empty(0)]) for name, parts in self._values.items()}
        media = sum(size[name] for name in MEDIA_COLUMNS)
        return {
            **{name: counts[name] for name in ("segments", "segments_with_sound", "segments_with_video")},
            "hours": dict(self._hours),
            **videos.video_numbers(self._videos),
            "segment_seconds": summary(values["duration_s"]),
            "sizes": [
                {"width": width, "height": height, "segments": count}
                for (width, height), count in self._kinds["sizes"].most_common(_MOST_KINDS)
            ],
            "source_fps": [
                {"fps": fps, "segments": count} for fps, count in self._kinds["fps"].most_common(_MOST_KINDS)
            ],
            "audio_rms_db": summary(values["audio_rms_db"]),
            "motion": summary(values["motion"]),
            "column_bytes": {
                "frames": size["frames"],
                "audio": size["audio"],
                "other": size.total() - media,
            },
            "config_hashes": sorted(filter(None, self._seen["config_hash"])),
            "schema_versions": sorted(self._seen["schema_version"] - {None}),
            "first_ingested_at": min(self._span).isoformat() if self._span else None,
            "last_ingested_at": max(self._span).isoformat() if self._span else None,
        }


def _video_rows(rows: pa.Table) -> pa.Table:
    ones = pa.array(np.ones(len(rows), np.int64))
    return videos.one_a_video(
        rows.append_column("seconds", rows["duration_s"]).append_column("segments", ones)
    )
