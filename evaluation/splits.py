"""Folds of a protocol: which videos train and which are asked about, from the official splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chronav.errors import CallError
from evaluation.items import Video


@dataclass(frozen=True)
class Fold:
    """Indices into a list of videos. `held_out` is what keeps the test side out of pre-training."""

    name: str
    held_out: str
    train: npt.NDArray[np.intp]
    test: npt.NDArray[np.intp]


def dataset_of(videos: Sequence[Video], wanted: str | None) -> str:
    """The data set to measure on: the one named, else the only one that the table holds."""
    known = sorted({video.dataset for video in videos if video.dataset})
    if wanted is not None and wanted in known:
        return wanted
    if wanted is None and len(known) == 1:
        return known[0]
    holds = ", ".join(known) or "no named data set"
    asked = f"nothing of '{wanted}'" if wanted else "not one data set: name it with --dataset"
    raise CallError(f"the table holds {asked} (it holds: {holds})", code="no_such_dataset", key="dataset")


def split_key(videos: Sequence[Video], dataset: str, split: int) -> str:
    """The key of `Video.splits` that decides: `<dataset>/fold` where there is one, else `<dataset>/<split>`."""
    folds = f"{dataset}/fold"
    return folds if any(folds in video.splits for video in videos) else f"{dataset}/{split}"


def folds_of(videos: Sequence[Video], key: str) -> list[Fold]:
    """The fold of an official split with sides `train` and `test`, or, for numbered folds, all of them.

    Raises `CallError` where the videos carry no such split or one of its sides is empty.
    """
    values = np.array([video.splits.get(key, "") for video in videos], dtype=object)
    numbers = sorted({value for value in values if value.isdigit()})
    if numbers:
        folds = [_numbered(values, key, number) for number in numbers]
    else:
        folds = [
            Fold(key, f"{key}=test", np.flatnonzero(values == "train"), np.flatnonzero(values == "test"))
        ]
    if all(fold.train.size and fold.test.size for fold in folds):
        return folds
    there = ", ".join(sorted({name for video in videos for name in video.splits})) or "none"
    raise CallError(
        f"no training and test videos of split '{key}' were found (splits there: {there}; "
        "official lists can be given with --annotations)",
        code="no_such_split",
        key="split",
    )


def _numbered(values: np.ndarray, key: str, number: str) -> Fold:
    train = np.flatnonzero((values != number) & (values != ""))
    return Fold(f"{key} {number}", f"{key}={number}", train, np.flatnonzero(values == number))
