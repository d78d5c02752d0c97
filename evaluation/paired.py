"""Two evaluations compared item by item, from the answers that each kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.metrics import bootstrap_interval, sign_flip_test
from evaluation.who import PRETRAINED

RESAMPLES = 2000
Columns = Mapping[str, Sequence]


@dataclass(frozen=True)
class Paired:
    """How much larger the share of right answers is, its 95 % interval, p of no difference, of how many items.

    `p`: None where the `groups` that it would be over are too few (`metrics.LEAST_OWNERS`).
    """

    value: float
    low: float
    high: float
    p: float | None
    items: int
    groups: int


def compare_answers(first: Columns | None, second: Columns | None) -> Paired | str:
    """The share of right answers of `second` less that of `first`; in words why not, where that cannot be told.

    Columns as in the table `answers` of an evaluation: `video_id`, `group`, `fold`, `seed`, `truth`, `pretrained`.
    The mean over folds of each share. Intervals are over groups; p is two-sided, by flipping the signs of whole
    groups at random.
    """
    if first is None or second is None:
        return "the answers of one are not in this MLflow store"
    if PRETRAINED not in first or PRETRAINED not in second:
        return "no single answers were kept"
    a, b = _right(first), _right(second)
    if a.keys() != b.keys():
        return "they did not ask about the same items"
    items = sorted(a)
    gained = np.array([float(b[item][0]) - float(a[item][0]) for item in items])
    groups = np.unique([a[item][1] for item in items], return_inverse=True)[1]
    _, part, sizes = np.unique(
        [f"{item[1]} {item[2]}" for item in items], return_inverse=True, return_counts=True
    )
    weights = 1.0 / sizes[part]  # every fold weighs alike, as in an outcome's differences
    interval = bootstrap_interval(gained, groups, RESAMPLES, 0, weights)
    p, count = sign_flip_test(gained, groups, 0, weights)
    return Paired(interval.value, interval.low, interval.high, p, len(items), count)


def _right(answers: Columns) -> dict[tuple[str, str, int, str], tuple[bool, str]]:
    """Item (video, fold, seed, class) -> whether it was told right, and its group."""
    groups = answers.get("group", answers["video_id"])
    keys = zip(answers["video_id"], answers["fold"], answers["seed"], answers["truth"], strict=True)
    right = [given == truth for given, truth in zip(answers[PRETRAINED], answers["truth"], strict=True)]
    return dict(zip(keys, zip(right, groups, strict=True), strict=True))
