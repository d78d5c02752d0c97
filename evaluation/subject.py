"""What is going to be measured, and whether it may be: videos, folds, coverage, nothing seen before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chronav.errors import CallError
from evaluation.coverage import answerable, caveats, coverage
from evaluation.data import check_fits
from evaluation.describe import Measurement
from evaluation.embedder import Modality
from evaluation.items import Video, groups_of, labels_of, read_videos
from evaluation.official import listed_in, read_official, with_official_splits
from evaluation.protocols.base import FoldData
from evaluation.seen import refuse_seen, seen_test_items
from evaluation.splits import Fold, dataset_of, folds_of, split_key
from pipelines.table import RowGroup, open_table


@dataclass(frozen=True)
class Subject:
    """The videos of one data set that can be measured, with the folds they are measured in."""

    table: str
    table_version: int
    dataset: str
    videos: list[Video]
    row_groups: list[RowGroup]
    folds: list[Fold]
    coverage: dict[str, Any]
    seen: int
    notes: list[str]

    @property
    def used(self) -> list[int]:
        """Indices of the videos that any fold needs."""
        return np.unique(np.concatenate([np.r_[fold.train, fold.test] for fold in self.folds])).tolist()

    def fold_data(self, fold: Fold, owner: np.ndarray) -> FoldData:
        """One fold with the owners of the clip features, (N,)."""
        return FoldData(labels_of(self.videos), groups_of(self.videos), fold.train, fold.test, owner)


def prepare(table: str, task: Measurement, dataset: str | None, annotations: str | None) -> Subject:
    """Read the small columns of the table and check everything that can be checked without the media."""
    method, export, config = task.method, task.export, task.config
    opened = open_table(table)
    videos, groups = read_videos(opened)
    check_fits(opened, videos, groups, export.config, method.modality)
    name = dataset_of(videos, dataset)
    videos = [video for video in videos if video.dataset == name]
    official = None
    if annotations is not None:
        official = read_official(annotations, name)
        videos = with_official_splits(videos, official)
    videos, notes = _measurable(videos, method.modality)
    key = split_key(videos, name, task.split)
    folds = folds_of(videos, key)
    labels = labels_of(videos)
    cover = coverage(labels, folds, None if official is None else listed_in(official, key))
    overlap = seen_test_items(videos, folds, export.seen_videos())
    refuse_seen(overlap, folds, config.allow_seen)
    if overlap:
        notes.append(f"{len(overlap)} test items were seen in pre-training (allow_seen).")
    folds = _answerable_folds(labels, folds)
    subject = Subject(
        table=table,
        table_version=opened.version(),
        dataset=name,
        videos=videos,
        row_groups=groups,
        folds=folds,
        coverage=cover,
        seen=len(overlap),
        notes=[*notes, *caveats(cover)],
    )
    for fold in folds:
        method.check(subject.fold_data(fold, np.empty(0, np.int64)), config)
    return subject


def _measurable(videos: Sequence[Video], modality: Modality) -> tuple[list[Video], list[str]]:
    """The videos with a label and with pictures (sound), and how many there are without."""
    labelled = [video for video in videos if video.label]
    kept = [video for video in labelled if (video.has_frames if modality == "video" else video.has_sound)]
    what = "pictures" if modality == "video" else "sound"
    notes = []
    if len(labelled) < len(videos):
        notes.append(f"{len(videos) - len(labelled)} of {len(videos)} videos have no label and are left out.")
    if len(kept) < len(labelled):
        notes.append(
            f"{len(labelled) - len(kept)} of {len(labelled)} videos have no {what} and are left out."
        )
    if not kept:
        raise CallError(f"the table holds no labelled videos with {what}", code="nothing_to_measure")
    return kept, notes


def _answerable_folds(labels: np.ndarray, folds: Sequence[Fold]) -> list[Fold]:
    kept = [Fold(fold.name, fold.held_out, fold.train, fold.test[answerable(labels, fold)]) for fold in folds]
    kept = [fold for fold in kept if fold.test.size]
    if not kept:
        raise CallError(
            "no test video can be answered: none has a training video of its class", code="nothing_answerable"
        )
    return kept
