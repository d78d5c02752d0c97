"""Folds of a protocol: which videos train and which are asked about, by official splits or, without, made here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from chronav.errors import CallError
from evaluation.config import EvaluateConfig
from evaluation.grouping import made_folds
from evaluation.items import Video, groups_of, labels_of
from evaluation.official import ESC10, LISTED, layout_of


@dataclass(frozen=True)
class Fold:
    """Indices into a list of videos. `held_out` is what keeps the test side out of pre-training, where it can.

    `seed`: of everything random in it.
    """

    name: str
    held_out: str
    train: npt.NDArray[np.intp]
    test: npt.NDArray[np.intp]
    seed: int = 0

    @property
    def number(self) -> str:
        """Its number: what its name ends in."""
        return re.split(r"\D", self.name)[-1]


@dataclass(frozen=True)
class Division:
    """The folds of a measurement, the official splits that they are of (none: made here), and how, in words."""

    folds: list[Fold]
    keys: list[str]
    text: str


def dataset_of(videos: Sequence[Video], wanted: str | None) -> str:
    """The data set to measure on: the one named, else the only one that the table holds."""
    known = sorted({video.dataset for video in videos if video.dataset})
    if wanted is not None and layout_of(wanted) in known:
        return wanted
    if wanted is None and len(known) == 1:
        return known[0]
    holds = ", ".join(known) or "no named data set"
    asked = f"nothing of '{wanted}'" if wanted else "not one data set: name it with --dataset"
    raise CallError(f"the table holds {asked} (it holds: {holds})", code="no_such_dataset", key="dataset")


def of_dataset(videos: Sequence[Video], dataset: str) -> list[Video]:
    """The videos of a data set; of ESC-10 those that ESC-50 marks so."""
    kept = [video for video in videos if video.dataset == layout_of(dataset)]
    return [v for v in kept if v.splits.get(ESC10) == "true"] if dataset == "esc10" else kept


def divide(
    videos: Sequence[Video], dataset: str, split: str | None, config: EvaluateConfig, listed: bool = False
) -> Division:
    """The folds that `split` asks for, each once a seed of the config.

    `split`: the number of an official split or fold, `all` of them, or `folds`: divided here, whatever is official.
    None: all official folds where there are folds, else split 1; data without either is divided here.
    `listed`: the splits are of an official list, of which any part may be missing; else both sides must be there.
    Raises `CallError` where there is no such split, or too little to divide.
    """
    keys = _keys(videos, layout_of(dataset))
    if split == "folds" or (split is None and not keys and dataset not in LISTED):
        return _made(videos, config)
    fold_key = f"{layout_of(dataset)}/fold"
    if fold_key in keys:
        folds = folds_of(videos, fold_key, listed)
        if split not in (None, "all"):
            folds = [fold for fold in folds if fold.name == f"{fold_key} {split}"]
            if not folds:
                _none(videos, fold_key, split)
        return Division(_each_seed(folds, config), [fold_key], f"official folds of {dataset}")
    wanted = keys if split == "all" else [f"{layout_of(dataset)}/{split or 1}"]
    folds = [fold for key in wanted for fold in folds_of(videos, key, listed)]
    if not folds:
        _none(videos, f"{dataset}/1", "1")
    return Division(_each_seed(folds, config), wanted, f"official split {', '.join(wanted)}")


def _made(videos: Sequence[Video], config: EvaluateConfig) -> Division:
    grouped = any(video.group for video in videos)
    folds, text = [], ""
    for seed in range(config.seed, config.seed + config.seeds):
        parts, text = made_folds(labels_of(videos), groups_of(videos), grouped, config.folds, seed)
        everyone = np.arange(len(videos))
        folds += [
            Fold(f"fold {number}", "", np.setdiff1d(everyone, test), test, seed)
            for number, test in enumerate(parts, start=1)
        ]
    return Division(folds, [], text)


def _each_seed(folds: Sequence[Fold], config: EvaluateConfig) -> list[Fold]:
    seeds = range(config.seed, config.seed + config.seeds)
    return [replace(fold, seed=seed) for seed in seeds for fold in folds]


def _keys(videos: Sequence[Video], layout: str) -> list[str]:
    """The official splits that the videos carry: `<layout>/fold`, or `<layout>/<number>` in their order."""
    there = {key for video in videos for key in video.splits}
    if f"{layout}/fold" in there:
        return [f"{layout}/fold"]
    numbers = {key.removeprefix(f"{layout}/") for key in there if key.startswith(f"{layout}/")}
    return [f"{layout}/{number}" for number in sorted((n for n in numbers if n.isdigit()), key=int)]


def _none(videos: Sequence[Video], key: str, split: str | None) -> NoReturn:
    there = ", ".join(sorted({name for video in videos for name in video.splits})) or "none"
    what = f"{key} {split}" if key.endswith("/fold") else key
    raise CallError(
        f"no training and test videos of split '{what}' were found (splits there: {there}; "
        "official lists can be given with --annotations, and --split folds divides any labelled data)",
        code="no_such_split",
        key="split",
    )


def folds_of(videos: Sequence[Video], key: str, partial: bool = False) -> list[Fold]:
    """The fold of an official split with sides `train` and `test`, or, for numbered folds, all of them.

    Raises `CallError` where the videos carry no such split, or, unless `partial`, one of its sides is empty.
    """
    values = np.array([video.splits.get(key, "") for video in videos], dtype=object)
    numbers = sorted({value for value in values if value.isdigit()})
    if numbers:
        folds = [_numbered(values, key, number) for number in numbers]
    else:
        folds = [
            Fold(key, f"{key}=test", np.flatnonzero(values == "train"), np.flatnonzero(values == "test"))
        ]
    enough = any if partial else all
    if all(enough((fold.train.size, fold.test.size)) for fold in folds):
        return folds
    _none(videos, key, None)


def _numbered(values: np.ndarray, key: str, number: str) -> Fold:
    train = np.flatnonzero((values != number) & (values != ""))
    return Fold(f"{key} {number}", f"{key}={number}", train, np.flatnonzero(values == number))
