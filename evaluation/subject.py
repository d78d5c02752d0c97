"""What is going to be measured, and whether it may be: videos, folds, coverage, nothing seen before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from chronav import storage
from chronav.errors import CallError
from evaluation.coverage import caveats, coverage, measurable_folds
from evaluation.data import check_fits, with_items
from evaluation.describe import Measurement
from evaluation.embedder import Modality
from evaluation.few import with_few_labels
from evaluation.items import Video, groups_of, labels_of, read_videos
from evaluation.official import OfficialList, check_labels, listed_in, read_official, with_official_splits
from evaluation.protocols.base import FoldData
from evaluation.seen import refuse_seen, seen_test_items
from evaluation.splits import Division, Fold, dataset_of, divide, of_dataset
from evaluation.store import TableVersion
from pipelines.table import RowGroup, open_table

if TYPE_CHECKING:
    from pipelines.sources.base import SourceItem


@dataclass(frozen=True)
class Subject:
    """The videos of one data set that can be measured, with the folds they are measured in.

    `folds`: those in which something can be told; `division`: how they came about, in words. `split_coverage`:
    fold name -> its coverage, those that cannot be measured included. `split_keys`: the official splits, where they
    are of such. `missing`: ids that the official list names for what is measured, and that are not there.
    """

    table: TableVersion
    dataset: str
    videos: list[Video]
    row_groups: list[RowGroup]
    folds: list[Fold]
    division: str
    official: bool
    coverage: dict[str, Any]
    split_coverage: dict[str, dict[str, Any]]
    seen: int
    notes: list[str]
    split_keys: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def table_version(self) -> int:
        """Version of the clip table."""
        return self.table.version

    @property
    def used(self) -> list[int]:
        """Indices of the videos that any fold needs."""
        parts = [np.r_[fold.train, fold.test] for fold in self.folds]
        return np.unique(np.concatenate(parts)).tolist() if parts else []

    @property
    def has_groups(self) -> bool:
        """Whether any video is of a group."""
        return any(video.group for video in self.videos)

    def fold_data(self, fold: Fold, owner: np.ndarray) -> FoldData:
        """One fold with the owners of the clip features, (N,)."""
        return FoldData(labels_of(self.videos), groups_of(self.videos), fold.train, fold.test, owner)


def prepare(
    table: str,
    task: Measurement,
    dataset: str | None,
    annotations: str | None,
    items: Mapping[str, SourceItem] | None = None,
) -> Subject:
    """Read the small columns of the table and check everything that can be checked without the media.

    `items`: what the media's own layout says of each file now, by uri, which goes before what the table says.
    """
    method, config = task.method, task.config
    opened = open_table(table)
    videos, groups = read_videos(opened)
    for export in task.exports:
        for modality in method.modalities:
            check_fits(opened, videos, groups, export.config, modality)
    videos = videos if items is None else with_items(videos, items)
    name = dataset_of(videos, dataset)
    videos = of_dataset(videos, name)
    official = None
    if annotations is not None:
        official = read_official(annotations, name)
        videos = with_official_splits(videos, official)
        check_labels(videos, annotations, name)
    there = {video.video_id for video in videos}
    videos, notes = _measurable(videos, method.modalities)
    left_out = there - {video.video_id for video in videos}
    division = divide(videos, name, task.split, config, official is not None)
    labels = labels_of(videos)
    overlap = _refuse_seen(videos, division.folds, task)
    if overlap:
        notes.append(f"{overlap} test items were seen in pre-training (allow_seen).")
    folds, untold = measurable_folds(labels, division.folds)
    folds, fewer = with_few_labels(folds, labels, config.labels_per_class)
    listed = None if official is None else listed_in(official, *division.keys)
    cover = coverage(labels, division.folds, listed, there, left_out)
    subject = Subject(
        table=TableVersion(storage.absolute(table), str(opened.metadata().id), opened.version()),
        dataset=name,
        videos=videos,
        row_groups=groups,
        folds=folds,
        division=division.text,
        official=bool(division.keys),
        coverage=cover,
        split_coverage=_each_coverage(labels, division, official, there, left_out),
        missing=sorted((listed or set()) - there),
        seen=overlap,
        notes=[*notes, *untold, *fewer, *_torn_groups(videos, division.folds), *caveats(cover, bool(folds))],
        split_keys=division.keys,
    )
    for fold in folds:
        method.check(subject.fold_data(fold, np.empty(0, np.int64)), config)
    return subject


def _refuse_seen(videos: Sequence[Video], folds: Sequence[Fold], task: Measurement) -> int:
    """How many test items an export was pre-trained on; raises `CallError` unless the config allows that."""
    overlap: set[str] = set()
    for export, asked in task.asked(folds):
        seen = seen_test_items(videos, asked, export.seen_videos())
        refuse_seen(seen, asked, task.config.allow_seen)
        overlap |= set(seen)
    return len(overlap)


def _each_coverage(
    labels: np.ndarray, division: Division, official: OfficialList | None, there: set[str], left_out: set[str]
) -> dict[str, dict[str, Any]]:
    def listed(fold: Fold) -> set[str] | None:
        key = fold.name.partition(" ")[0]  # a numbered fold, `esc50/fold 3`, trains on all the others
        return None if official is None or key not in division.keys else listed_in(official, key)

    return {fold.name: coverage(labels, [fold], listed(fold), there, left_out) for fold in division.folds}


def _torn_groups(videos: Sequence[Video], folds: Sequence[Fold]) -> list[str]:
    """In words, where an official split has videos of one group on both sides."""
    groups = np.array([video.group or "" for video in videos], dtype=object)
    notes = []
    for fold in folds:
        torn = (set(groups[fold.train]) & set(groups[fold.test])) - {""}
        if torn:
            notes.append(f"{fold.name} itself has {len(torn)} groups with videos on both sides.")
    return list(dict.fromkeys(notes))


def _measurable(videos: Sequence[Video], modalities: Sequence[Modality]) -> tuple[list[Video], list[str]]:
    """The videos with a label and with pictures (sound), and how many there are without."""
    labelled = [video for video in videos if video.label]
    kept = [video for video in labelled if all(video.has(modality) for modality in modalities)]
    what = " and ".join("pictures" if modality == "video" else "sound" for modality in modalities)
    notes = []
    if len(labelled) < len(videos):
        notes.append(f"{len(videos) - len(labelled)} of {len(videos)} videos have no label and are left out.")
    if len(kept) < len(labelled):
        notes.append(
            f"{len(labelled) - len(kept)} of {len(labelled)} videos have no {what} and are left out."
        )
    if not kept:
        there = sum(video.has_sound for video in labelled) if what == "pictures" else 0
        more = (
            f" ({there} with sound alone; `finetune` learns from it with finetune.modality=audio)"
            if there
            else ""
        )
        raise CallError(f"the table holds no labelled videos with {what}{more}", code="nothing_to_measure")
    return kept, notes
