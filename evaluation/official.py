"""Official lists of data sets: what they list, so that it can be said what of it was found."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace

from chronav import storage
from chronav.errors import CallError
from evaluation.items import Video
from pipelines.sources.annotations import annotation_folder, annotation_text
from pipelines.sources.base import file_stem
from pipelines.sources.ucf101 import read_splits

OfficialList = Mapping[str, Mapping[str, str]]
"""Video id -> official splits of that item, as in the clip table's column `splits`."""


def read_official(folder: str, dataset: str) -> OfficialList:
    """The official list of `dataset` in `folder`; raises `CallError` when it is not there."""
    if dataset in ("ucf101", "world"):
        return read_splits(folder, dataset)
    if dataset == "esc50":
        text = annotation_text(storage.join(annotation_folder(folder), "esc50.csv"))
        return {
            file_stem(row["filename"]): {"esc50/fold": row["fold"]}
            for row in csv.DictReader(text.splitlines())
        }
    raise CallError(
        f"no official lists are known for data set '{dataset}' (known: esc50, ucf101)",
        code="unknown_dataset",
        key="annotations",
    )


def listed_in(official: OfficialList, split_key: str) -> int:
    """How many items the list names for one split, such as `ucf101/1`."""
    return sum(split_key in splits for splits in official.values())


def with_official_splits(videos: Sequence[Video], official: OfficialList) -> list[Video]:
    """The videos with the splits of the official list in place of what the table says."""
    return [replace(video, splits=dict(official.get(video.video_id, {}))) for video in videos]
