"""How much of an official list was measured: listed, found, missing, answerable."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from evaluation.splits import Fold

_FEW_TEST_ITEMS = 100


def answerable(labels: np.ndarray, fold: Fold) -> np.ndarray:
    """For each test item whether its class occurs among the training items, (len(fold.test),) bool."""
    known = set(labels[fold.train])
    return np.array([label in known for label in labels[fold.test]], dtype=bool)


def measurable_folds(labels: np.ndarray, folds: Sequence[Fold]) -> tuple[list[Fold], list[str]]:
    """The folds with their answerable test items, and in words why others are left out.

    A fold counts where at least two classes have items on both sides: with one there is nothing to tell apart.
    """
    kept, notes = [], []
    for fold in folds:
        can = replace(fold, test=fold.test[answerable(labels, fold)])
        classes = len(set(labels[can.test]))
        if classes >= 2:
            kept.append(can)
        else:
            notes.append(
                f"No accuracy on {fold.name}: {'one class has' if classes else 'no class has'} items on both sides "
                f"(training {fold.train.size}, test {fold.test.size}); it takes two."
            )
    return kept, list(dict.fromkeys(notes))


def coverage(
    labels: np.ndarray,
    folds: Sequence[Fold],
    listed: Collection[str] | None = None,
    there: Collection[str] = (),
    left_out: Collection[str] = (),
) -> dict[str, Any]:
    """The `coverage` object of an outcome; counts are of videos.

    `listed`: items of the official list; None where no list was given: then what the table itself
    marks is all that is known (`official_list` says which). `there`: all items found, `missing` those listed and
    not among them; `left_out`: those in which there is nothing to measure, of which `unusable` counts the listed.
    `answerable`: test items whose class has a training item.
    """
    used = np.unique(np.concatenate([np.concatenate([fold.train, fold.test]) for fold in folds]))
    test = np.unique(np.concatenate([fold.test for fold in folds]))
    can = np.unique(np.concatenate([fold.test[answerable(labels, fold)] for fold in folds]))
    return {
        "listed": int(used.size) if listed is None else len(listed),
        "found": int(used.size),
        "unusable": len(set(listed or ()) & set(left_out)),
        "missing": len(set(listed or ()) - set(there)),
        "answerable": int(can.size),
        "test_found": int(test.size),
        "classes": len(set(labels[test])),
        "official_list": listed is not None,
    }


def caveats(cover: dict[str, Any], measured: bool = True) -> list[str]:
    """Where the numbers mean little, in words; not `measured`: there are none, and what was found is all to say."""
    notes = []
    unanswerable = cover["test_found"] - cover["answerable"]
    if unanswerable:
        notes.append(
            f"{unanswerable} of {cover['test_found']} test items found cannot be answered (no training item "
            "of their class was found)" + ("; they are left out of the metrics." if measured else ".")
        )
    if cover["missing"]:
        notes.append(
            f"Only {cover['found']} of {cover['listed']} listed items were found"
            + (f" ({cover['unusable']} more have nothing to measure)" if cover["unusable"] else "")
            + (
                ": these numbers mean little, are no result on the data set and compare with no published one."
                if measured
                else "."
            )
        )
    elif cover["unusable"]:
        notes.append(
            f"{cover['unusable']} of {cover['listed']} listed items have nothing to measure and are left out: no "
            "result on the whole data set."
        )
    if measured and cover["answerable"] < _FEW_TEST_ITEMS:
        notes.append(f"{cover['answerable']} test items are few: read the intervals, not the values.")
    return notes
