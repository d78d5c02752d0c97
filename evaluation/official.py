"""Official lists of data sets: what they list, so that it can be said what of it was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from chronav import storage
from chronav.errors import CallError
from evaluation.items import Video
from pipelines.sources import hmdb51, ucf101
from pipelines.sources.annotations import annotation_file, annotation_folder, annotation_text, csv_records
from pipelines.sources.base import file_stem

OfficialList = Mapping[str, Mapping[str, str]]
"""Video id -> official splits of that item, as in the clip table's column `splits`."""

LISTED = ("ucf101", "hmdb51", "esc50", "esc10", "world")
"""Data sets with official lists."""
_LAYOUTS = {"esc10": "esc50"}
ESC10 = "esc50/esc10"


def layout_of(dataset: str) -> str:
    """The layout that a data set's media and rows have: ESC-10 is part of ESC-50."""
    return _LAYOUTS.get(dataset, dataset)


def read_official(folder: str, dataset: str) -> OfficialList:
    """The official list of `dataset` in `folder`; raises `CallError` when it is not there or malformed."""
    if dataset in ("ucf101", "world"):
        return ucf101.read_splits(folder, dataset)
    if dataset == "hmdb51":
        return hmdb51.read_splits(folder)
    if dataset in ("esc50", "esc10"):
        rows = _esc50_rows(folder)
        return {
            file_stem(row["filename"]): {"esc50/fold": row["fold"]}
            for row in rows
            if dataset == "esc50" or row.get("esc10", "").lower() == "true"
        }
    raise CallError(
        f"no official lists are known for data set '{dataset}' (known: {', '.join(LISTED)})",
        code="unknown_dataset",
        key="annotations",
    )


def read_classes(folder: str, dataset: str) -> tuple[frozenset[str], str] | None:
    """The official classes of `dataset` and what they were read from; None where `folder` does not list them."""
    if dataset in ("ucf101", "world"):
        file = storage.join(annotation_folder(folder), "classInd.txt")
        if not storage.is_file(file):
            return None
        lines = (line.split() for line in annotation_text(file).splitlines())
        return frozenset(parts[1] for parts in lines if len(parts) > 1), "classInd.txt"
    if dataset == "hmdb51":
        return frozenset(hmdb51.listed_classes(folder)), "the names of the lists"
    rows = _esc50_rows(folder)
    return frozenset(row["category"] for row in rows), "esc50.csv"


def check_labels(videos: Sequence[Video], folder: str, dataset: str) -> None:
    """Raise `CallError` where a label of the data is unknown to the official class list."""
    known = read_classes(folder, dataset)
    if known is None:
        return
    classes, where = known
    strange = sorted({video.label for video in videos if video.label and video.label not in classes})
    if strange:
        raise CallError(
            f"label '{strange[0]}' is not in the class list of {dataset} ({where}, {len(classes)} classes)"
            + (f", nor are {len(strange) - 1} others" if len(strange) > 1 else ""),
            code="unknown_label",
            key="annotations",
        )


def _esc50_rows(folder: str) -> list[dict[str, str]]:
    path = annotation_file(folder, "esc50.csv")
    return list(csv_records(path, annotation_text(path), {"filename", "fold", "category"}))


def listed_in(official: OfficialList, *split_keys: str) -> set[str]:
    """The items that the list names for one or any of several splits, such as `ucf101/1`; without one, all of it."""
    if not split_keys:
        return set(official)
    return {item for item, splits in official.items() if any(key in splits for key in split_keys)}


def with_official_splits(videos: Sequence[Video], official: OfficialList) -> list[Video]:
    """The videos with the splits of the official list in place of what the table says."""
    return [replace(video, splits=dict(official.get(video.video_id, {}))) for video in videos]
