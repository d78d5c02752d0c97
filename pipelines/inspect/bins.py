"""A list of numbers in few: quantiles, and counts between round edges."""

from __future__ import annotations

from typing import Any

import numpy as np

from chronav.svg import round_step

_MOST_BINS = 24
_TAIL = 1.0  # percent of the values at either end that are put together, where they would flatten all others


def summary(values: np.ndarray) -> dict[str, Any] | None:
    """Of float (n,): `n`, `mean`, `min`, `median`, `p95`, `max`, and a histogram; None of nothing.

    `edges` (k + 1) and `counts` (k); `below` and `above` count what is beyond the edges: long tails.
    """
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return None
    low, median, p95, high = (float(v) for v in np.percentile(values, [0, 50, 95, 100]))
    edges = _edges(*_without_tails(values))
    counts, _ = np.histogram(values, edges)
    below = int((values < edges[0]).sum())
    return {
        "n": int(values.size),
        "mean": float(values.mean()),
        "min": low,
        "median": median,
        "p95": p95,
        "max": high,
        "edges": [round(float(edge), 10) for edge in edges],
        "counts": [int(count) for count in counts],
        "below": below,
        "above": int(values.size - counts.sum()) - below,
    }


def _without_tails(values: np.ndarray) -> tuple[float, float]:
    """The range of float (n,), without a tail that is longer than the rest."""
    low, first, last, high = (float(v) for v in np.percentile(values, [0, _TAIL, 100 - _TAIL, 100]))
    core = last - first
    return (first if first - low > core else low), (last if high - last > core else high)


def _edges(low: float, high: float) -> np.ndarray:
    step = round_step(max(high - low, abs(high) * 1e-3, 1e-6) / _MOST_BINS)
    first, last = np.floor(low / step + 1e-9), np.floor(high / step + 1e-9) + 1
    return np.arange(first, last + 1) * step
