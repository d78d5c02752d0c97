"""From what a protocol found on each fold to the metrics of an outcome, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.metrics import bootstrap_interval, proportion_interval, sign_flip_test, spread_of
from evaluation.protocols.base import Measured, Values


def fold_metrics(measured: Measured) -> dict[str, float]:
    """Metric -> value on one fold."""
    return {name: float(v.values.mean()) for name, v in measured.metrics.items()} | measured.numbers


def mean_over_folds(folds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each metric that every fold has."""
    names = [name for name in folds[0] if all(name in fold for fold in folds)]
    return {name: float(np.mean([fold[name] for fold in folds])) for name in names}


def metrics_with_intervals(
    folds: Sequence[Measured], resamples: int, seed: int, units: np.ndarray | None = None
) -> dict[str, float]:
    """Mean over folds, and `<metric>_low`, `<metric>_high`: 95 %, by bootstrap over the units of all folds.

    `units`: the number of the group of each video, (V,); None: each video is one.
    """
    if not folds:
        return {}
    means = mean_over_folds([fold_metrics(measured) for measured in folds])
    out: dict[str, float] = {}
    for name, value in means.items():
        out[name] = value
        if name in folds[0].metrics:
            values, owners, weights = _pooled([measured.metrics[name] for measured in folds], units)
            interval = proportion_interval(values, owners, resamples, seed, weights)
            out |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
    return out


def spreads(folds: Sequence[Measured], places: Sequence[tuple[str, int]]) -> dict[str, float]:
    """`<metric>_std` over folds (each the mean of its seeds), `<metric>_seed_std` over seeds (of their means).

    `places`: the fold's name and its seed. Each where there are several; sample standard deviations.
    """
    rows = [fold_metrics(measured) for measured in folds]
    out: dict[str, float] = {}
    for which, suffix in ((0, "std"), (1, "seed_std")):
        keys = list(dict.fromkeys(place[which] for place in places))
        if len(keys) < 2:
            continue
        parts = [
            mean_over_folds([row for row, place in zip(rows, places, strict=True) if place[which] == key])
            for key in keys
        ]
        names = [name for name in folds[0].metrics if all(name in part for part in parts)]
        out |= {f"{name}_{suffix}": spread_of([part[name] for part in parts]) for name in names}
    return out


def gain(
    name: str,
    folds: Sequence[Measured],
    reference: Sequence[Measured],
    resamples: int,
    seed: int,
    units: np.ndarray | None = None,
) -> dict[str, float]:
    """How far a metric is above the same metric of another network, paired by test item, with its interval."""
    found = difference(name, folds, reference, resamples, seed, units)
    key = f"{name}_gain"
    return {key: found["value"], f"{key}_low": found["low"], f"{key}_high": found["high"]}


def difference(
    name: str,
    folds: Sequence[Measured],
    reference: Sequence[Measured],
    resamples: int,
    seed: int,
    units: np.ndarray | None = None,
) -> dict[str, Any]:
    """`value`, `low`, `high` of a metric less that of another network, paired, and `p` of no difference, by `groups`.

    Paired by test item: by clip where both saw the same clips, else (another export may look at other clips) by the
    mean of each video. `p`: two-sided, by flipping the signs of whole units at random; None where these are too few
    (`metrics.LEAST_OWNERS`). `groups`: how many units there are.
    """
    pairs = [(a.metrics[name], b.metrics[name]) for a, b in zip(folds, reference, strict=True)]
    if any(a.videos.shape != b.videos.shape or (a.videos != b.videos).any() for a, b in pairs):
        pairs = [(_by_video(a), _by_video(b)) for a, b in pairs]
    values, owners, weights = _pooled([Values(a.values - b.values, a.videos) for a, b in pairs], units)
    interval = bootstrap_interval(values, owners, resamples, seed, weights)
    p, groups = sign_flip_test(values, owners, seed, weights)
    return {"value": interval.value, "low": interval.low, "high": interval.high, "p": p, "groups": groups}


def _by_video(values: Values) -> Values:
    videos, place = np.unique(values.videos, return_inverse=True)
    return Values(np.bincount(place, weights=values.values) / np.bincount(place), videos)


def _pooled(
    parts: Sequence[Values], units: np.ndarray | None
) -> tuple[npt.NDArray[np.float64], np.ndarray, npt.NDArray[np.float64]]:
    """Values of all folds, the unit of each, and weights with which their mean is the mean of the folds' means."""
    videos = np.concatenate([part.videos for part in parts])
    weights = np.concatenate([np.full(part.values.size, 1 / part.values.size) for part in parts])
    values = np.concatenate([part.values for part in parts])
    return values, videos if units is None else units[videos], weights
