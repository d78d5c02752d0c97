"""How alike queries are to their paired keys, and to the keys of other videos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

BINS = 200
"""Equal bins over [-1, 1]: quantiles are exact to a bin's width, 0.01."""

_TABLE_BINS = 40
_CHUNK = 512


@dataclass(frozen=True)
class Histogram:
    """Cosines counted in fixed bins; those of several workers add up."""

    counts: np.ndarray  # (BINS,) int64
    total: float  # sum of the values

    @classmethod
    def of(cls, values: Tensor) -> Histogram:
        """Count cosines of any shape."""
        values = values.flatten().float().clamp(-1, 1)
        at = ((values + 1) * (BINS / 2)).long().clamp_max(BINS - 1)
        counts = torch.bincount(at, minlength=BINS).cpu().numpy()
        return cls(counts, float(values.double().sum()))

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram(self.counts + other.counts, self.total + other.total)

    @property
    def n(self) -> int:
        """Values counted."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Their exact mean; NaN where there are none."""
        return self.total / self.n if self.n else float("nan")

    def quantile(self, share: float) -> float:
        """The value below which `share` of all lie, as if those of a bin were spread evenly over it."""
        below = np.concatenate([[0], np.cumsum(self.counts)])
        wanted = share * below[-1]
        # The bin in which the running count passes `wanted`: never an empty one.
        at = max(int(np.searchsorted(below, wanted, side="left")), 1) - 1
        within = (wanted - below[at]) / max(self.counts[at], 1)
        return float(-1 + (at + within) * 2 / BINS)


@dataclass(frozen=True)
class Similarity:
    """Cosines of queries with their paired keys (positive), and with the keys of other videos (negative)."""

    positive: Histogram
    negative: Histogram

    def __add__(self, other: Similarity) -> Similarity:
        return Similarity(self.positive + other.positive, self.negative + other.negative)

    def metrics(self, prefix: str) -> dict[str, float]:
        """Mean and 5 and 95 % quantiles of both, as `<prefix>_positive`, `<prefix>_positive_p05`, …"""
        found = {}
        for kind, histogram in (("positive", self.positive), ("negative", self.negative)):
            if histogram.n:
                found[f"{prefix}_{kind}"] = histogram.mean
                found[f"{prefix}_{kind}_p05"] = histogram.quantile(0.05)
                found[f"{prefix}_{kind}_p95"] = histogram.quantile(0.95)
        return found


def compare(query: Tensor, key: Tensor, video: Tensor) -> Similarity:
    """All n queries with all n keys; `query`, `key`: (n, d) unit vectors, paired row by row; `video`: (n,)."""
    query, key = query.float(), key.float()
    negative = Histogram(np.zeros(BINS, np.int64), 0.0)
    for i in range(0, len(query), _CHUNK):
        cosine = query[i : i + _CHUNK] @ key.T  # (chunk, n)
        other = video[i : i + _CHUNK, None] != video[None, :]
        negative += Histogram.of(cosine[other])
    return Similarity(Histogram.of((query * key).sum(dim=1)), negative)


def table(step: int, found: dict[str, Similarity]) -> dict[str, list]:
    """The histograms as columns: one row a bin that is not empty; `share` is of all values of its kind."""
    columns: dict[str, list] = {
        name: [] for name in ("step", "pairs", "kind", "from", "to", "count", "share")
    }
    edges = np.linspace(-1, 1, _TABLE_BINS + 1).round(3)
    for pairs, similarity in found.items():
        for kind, histogram in (("positive", similarity.positive), ("negative", similarity.negative)):
            counts = histogram.counts.reshape(_TABLE_BINS, -1).sum(axis=1)
            for i in np.flatnonzero(counts).tolist():
                count = int(counts[i])
                row = (step, pairs, kind, float(edges[i]), float(edges[i + 1]), count, count / histogram.n)
                for name, value in zip(columns, row, strict=True):
                    columns[name].append(value)
    return columns
