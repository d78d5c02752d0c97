"""From what a protocol found on each fold to the metrics of an outcome, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evaluation.metrics import bootstrap_interval, proportion_interval
from evaluation.protocols.base import Measured, Values


def fold_metrics(measured: Measured) -> dict[str, float]:
    """Metric -> value on one fold."""
    return {name: float(v.values.mean()) for name, v in measured.metrics.items()} | measured.numbers


def mean_over_folds(folds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each metric that every fold has."""
    names = [name for name in folds[0] if all(name in fold for fold in folds)]
    return {name: float(np.mean([fold[name] for fold in folds])) for name in names}


def metrics_with_intervals(folds: Sequence[Measured], resamples: int, seed: int) -> dict[str, float]:
    """Mean over folds, and `<metric>_low`, `<metric>_high`: 95 %, by bootstrap over the videos of all folds."""
    means = mean_over_folds([fold_metrics(measured) for measured in folds])
    out: dict[str, float] = {}
    for name, value in means.items():
        out[name] = value
        if name in folds[0].metrics:
            pooled = _pooled([measured.metrics[name] for measured in folds])
            interval = proportion_interval(pooled.values, pooled.videos, resamples, seed)
            out |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
    return out


def gain(
    name: str, folds: Sequence[Measured], reference: Sequence[Measured], resamples: int, seed: int
) -> dict[str, float]:
    """How far a metric is above the same metric of another network, paired by test item, with its interval."""
    pairs = [(a.metrics[name], b.metrics[name]) for a, b in zip(folds, reference, strict=True)]
    pooled = _pooled([Values(a.values - b.values, a.videos) for a, b in pairs])
    interval = bootstrap_interval(pooled.values, pooled.videos, resamples, seed)
    key = f"{name}_gain"
    return {key: interval.value, f"{key}_low": interval.low, f"{key}_high": interval.high}


def _pooled(parts: Sequence[Values]) -> Values:
    return Values(
        np.concatenate([part.values for part in parts]), np.concatenate([part.videos for part in parts])
    )
