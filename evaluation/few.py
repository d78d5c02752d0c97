"""Few labels: some training videos of each class, drawn by lot, so that fewer labels are a part of more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from evaluation.splits import Fold

_DRAW = 7  # tag of the generator


def some_of_each(
    labels: np.ndarray, items: npt.NDArray[np.intp], count: int, seed: int
) -> npt.NDArray[np.intp]:
    """Up to `count` of the `items` (indices into `labels`, (V,)) of each class, sorted.

    Each class has an order of its own, a function of the seed and of its items alone: a smaller count takes a subset
    of what a larger one takes.
    """
    taken = []
    for label in sorted(set(labels[items])):
        own = items[labels[items] == label]
        rng = np.random.default_rng((seed, _DRAW, *str(label).encode()))
        taken.append(rng.permutation(own)[:count])
    return np.sort(np.concatenate(taken)) if taken else items


def with_few_labels(
    folds: Sequence[Fold], labels: np.ndarray, count: int | None
) -> tuple[list[Fold], list[str]]:
    """The folds with `count` training videos of each class (None: all), and in words what that leaves."""
    if count is None:
        return list(folds), []
    few = [replace(f, train=some_of_each(labels, f.train, count, f.seed)) for f in folds]
    kept = sorted({fold.train.size for fold in few})
    before = sorted({fold.train.size for fold in folds})
    note = f"labels_per_class={count}: trained on {_span(kept)} of {_span(before)} training videos, drawn by lot."
    lacking = {
        label for fold in few for label in labels[fold.train] if (labels[fold.train] == label).sum() < count
    }
    more = (
        [f"{len(lacking)} classes have fewer than {count} training videos: all of theirs are used."]
        if lacking
        else []
    )
    return few, [note, *more]


def _span(sizes: Sequence[int]) -> str:
    if not sizes:
        return "0"
    return str(sizes[0]) if sizes[0] == sizes[-1] else f"{sizes[0]} to {sizes[-1]}"
