"""Folds of labelled data that nobody has divided: stratified by class, and never a group on both sides."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from chronav.errors import CallError

_MOST_LEFT_OUT = 20
"""Groups up to which each is left out once."""


def made_folds(
    labels: np.ndarray, groups: np.ndarray, grouped: bool, folds: int, seed: int
) -> tuple[list[npt.NDArray[np.intp]], str]:
    """The test items of each fold, as indices, and in words how they were divided. labels, groups: (V,).

    With groups that hold several classes each, and not too many: every group is left out once. With other groups:
    `folds` folds of whole groups. Without: `folds` folds, each with its share of every class.
    Raises `CallError` where fewer than two folds can be made.
    """
    if not grouped:
        k = min(folds, int(np.unique(labels.astype(str), return_counts=True)[1].max()))
        _at_least_two(k, "no class has two items")
        splitter = StratifiedKFold(k, shuffle=True, random_state=seed)
        return _tests(splitter, labels, None), (
            f"{k} folds stratified by class{_fewer(k, folds, 'no class has more items')}; no groups are known, so "
            "parts of one recording may be on both sides"
        )
    names = sorted(set(groups.tolist()))
    _at_least_two(len(names), "all of it is one group")
    if len(names) <= _MOST_LEFT_OUT and _hold_several(labels, groups):
        parts = [np.flatnonzero(groups == name) for name in names]
        return parts, f"each of {len(names)} groups left out once"
    k = min(folds, len(names))
    splitter = StratifiedGroupKFold(k, shuffle=True, random_state=seed)
    return _tests(
        splitter, labels, groups
    ), f"{k} folds of whole groups ({len(names)} groups), stratified by class"


def _fewer(made: int, asked: int, why: str) -> str:
    return f" ({asked} were asked for, {why})" if made < asked else ""


def _hold_several(labels: np.ndarray, groups: np.ndarray) -> bool:
    return all(len(set(labels[groups == group])) > 1 for group in set(groups.tolist()))


def _tests(
    splitter: StratifiedKFold | StratifiedGroupKFold, labels: np.ndarray, groups: np.ndarray | None
) -> list[npt.NDArray[np.intp]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes rarer than there are folds
        y = labels.astype(str)
        splits = list(splitter.split(y, y, None if groups is None else groups.astype(str)))
    return [np.sort(test) for _, test in splits if test.size]


def _at_least_two(k: int, why: str) -> None:
    if k < 2:
        raise CallError(f"the data cannot be divided into folds: {why}", code="too_little_data", key="split")
