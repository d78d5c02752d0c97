"""Counting videos: what is the same for all segments of one is counted once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.inspect.bins import summary

COLUMNS = ("video_id", "dataset", "label", "group", "splits", "near_duplicate_of")
_MOST_LABELS = 1000  # that are listed; labels may be free text
_EXAMPLES = 5
_ENTRIES = pa.list_(pa.struct([pa.field("key", pa.string(), nullable=False), pa.field("value", pa.string())]))


def one_a_video(rows: pa.Table) -> pa.Table:
    """Rows with `COLUMNS`, `seconds` and `segments` -> one row a video: the first, with the sums of these two."""
    places = pa.array(np.arange(len(rows)))
    keyed = rows.select(["video_id", "seconds", "segments"]).append_column("place", places)
    found = keyed.group_by("video_id", use_threads=False).aggregate(
        [("place", "min"), ("seconds", "sum"), ("segments", "sum")]
    )
    firsts = rows.select(COLUMNS).take(found["place_min"])
    return firsts.append_column("seconds", found["seconds_sum"]).append_column(
        "segments", found["segments_sum"]
    )


def video_numbers(parts: Iterable[pa.Table]) -> dict[str, Any]:
    """What the videos of a table are like; `parts`: their rows, as `one_a_video` gives them for each part."""
    # The segments of a video may be in several parts.
    videos = one_a_video(pa.concat_tables(parts))
    copies = videos.filter(pc.is_valid(videos["near_duplicate_of"]))
    return {
        "videos": len(videos),
        "datasets": _counted(videos, "dataset"),
        "labels": _labels(videos),
        "groups": _groups(videos),
        "splits": _splits(videos),
        "near_duplicates": {
            "videos": len(copies),
            "examples": copies.select(["video_id", "near_duplicate_of"]).slice(0, _EXAMPLES).to_pylist(),
        },
        "video_seconds": summary(videos["seconds"].to_numpy()),
    }


def _counted(videos: pa.Table, column: str) -> list[dict[str, Any]]:
    """Videos, segments and hours of each value of a column, most videos first; its nulls are one value."""
    found = videos.group_by(column, use_threads=False).aggregate(
        [([], "count_all"), ("segments", "sum"), ("seconds", "sum")]
    )
    rows = [
        {
            column: row[column],
            "videos": row["count_all"],
            "segments": row["segments_sum"],
            "hours": row["seconds_sum"] / 3600,
        }
        for row in found.to_pylist()
    ]
    return sorted(rows, key=lambda row: (-row["videos"], row[column] is None, row[column]))


def _labels(videos: pa.Table) -> dict[str, Any]:
    counted = _counted(videos, "label")
    known = [row for row in counted if row["label"] is not None]
    return {
        "distinct": len(known),
        "unlabelled_videos": len(videos) - sum(row["videos"] for row in known),
        **_spread(known),
        "most": known[:_MOST_LABELS],
    }


def _groups(videos: pa.Table) -> dict[str, Any]:
    known = [row for row in _counted(videos, "group") if row["group"] is not None]
    return {
        "distinct": len(known),
        "videos_without": len(videos) - sum(row["videos"] for row in known),
        **_spread(known),
    }


def _spread(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """How even the counts of videos are."""
    counts = [row["videos"] for row in rows]
    return {
        "fewest_videos": min(counts, default=None),
        "median_videos": float(np.median(counts)) if counts else None,
        "most_videos": max(counts, default=None),
    }


def _splits(videos: pa.Table) -> dict[str, dict[str, int]]:
    """Official split -> part -> videos."""
    entries = pc.list_flatten(videos["splits"].cast(_ENTRIES))
    table = pa.table({"split": pc.struct_field(entries, 0), "part": pc.struct_field(entries, 1)})
    found = table.group_by(["split", "part"], use_threads=False).aggregate([([], "count_all")]).to_pylist()
    splits: dict[str, dict[str, int]] = {}
    for row in sorted(found, key=lambda row: (row["split"], row["part"])):
        splits.setdefault(row["split"], {})[row["part"]] = row["count_all"]
    return splits
