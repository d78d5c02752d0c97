"""How far a run without a piece is from the full method: paired differences and their 95 % intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """A mean difference; `over`: what its interval is over (None: there is none to be had)."""

    value: float
    low: float | None = None
    high: float | None = None
    over: str | None = None

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def over_seeds(full: Sequence[float], without: Sequence[float]) -> Difference:
    """Mean of the paired differences (without - full), and Student's t over the seeds."""
    d = np.asarray(without, dtype=np.float64) - np.asarray(full, dtype=np.float64)
    if d.size < 2:
        return Difference(float(d.mean()))
    return _student(float(d.mean()), float(d.var(ddof=1) / d.size), d.size - 1, "seeds")


def crossed(d: Array, weights: Array, units: npt.NDArray[np.int64]) -> Difference:
    """Interval over seeds and videos at once, each a sample of those that might have been.

    d (S, I): differences of S seeds on I items; weights (I,), with sum 1: the value is their weighted mean, averaged
    over seeds. units (I,): items of a unit (a video, or a group of them) belong together.
    Two crossed random factors (Westfall, Kenny and Judd 2014): the variance of the mean is that of the seeds' means,
    and that of the units' means, less what both hold of their interaction; Student's t with Satterthwaite's degrees
    of freedom. With one seed over videos alone: what another seed would give is then not told.
    """
    value = float((d @ weights).mean())
    y = _unit_values(d, weights, units, value)  # (S, U)
    seeds, n_units = y.shape
    if seeds == 1 and n_units == 1:
        return Difference(value)
    if n_units == 1:
        return _student(value, float(y.mean(axis=1).var(ddof=1)) / seeds, seeds - 1, "seeds")
    by_unit = float(y.mean(axis=0).var(ddof=1)) / n_units
    if seeds == 1:
        return _student(value, by_unit, n_units - 1, "videos")
    by_seed = float(y.mean(axis=1).var(ddof=1)) / seeds
    rest = y - y.mean(axis=0) - y.mean(axis=1, keepdims=True) + value
    df = (seeds - 1) * (n_units - 1)
    both = float((rest**2).sum()) / df / (seeds * n_units)
    # An estimate by subtraction can fall below its parts, or below 0: then the larger part stands alone.
    variance = max(by_seed + by_unit - both, by_seed, by_unit)
    parts = ((by_seed, seeds - 1), (by_unit, n_units - 1), (both, df))
    spread = sum(part**2 / n for part, n in parts)
    freedom = max(variance**2 / spread, float(seeds - 1)) if spread > 0 else float(seeds - 1)
    return _student(value, variance, freedom, "seeds and videos")


def _unit_values(d: Array, weights: Array, units: npt.NDArray[np.int64], value: float) -> Array:
    """(S, U): a number for each seed and unit whose plain means are the weighted ones, however large a unit is."""
    _, place = np.unique(units, return_inverse=True)
    n_units = int(place.max()) + 1
    sums = np.stack([np.bincount(place, weights=(row - value) * weights, minlength=n_units) for row in d])
    return np.asarray(value + n_units * sums, dtype=np.float64)


def _student(value: float, variance: float, freedom: float, over: str) -> Difference:
    reach = float(stats.t.ppf(0.975, freedom) * np.sqrt(variance))
    return Difference(value, value - reach, value + reach, over)
