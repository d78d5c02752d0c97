"""The arithmetic of the protocols: recall at k, accuracy, intervals. Pure numpy, float64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import lgamma, sqrt

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
_Z95 = 1.959963984540054
_EXACT, _FLIPS = 12, 10_000
LEAST_OWNERS = 6
"""With fewer owners, no flip of their signs can give a two-sided p below 0.05: of five, 2 of 32 are as extreme."""
_NOTHING = 1e-12


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


def l2_normalised(x: npt.ArrayLike) -> Array:
    """Rows of unit length; rows of zeros stay zero. x: (N, D)."""
    rows = np.asarray(x, dtype=np.float64)
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norm > 0, norm, 1.0)


def cosine_ranking(queries: npt.ArrayLike, gallery: npt.ArrayLike, seed: int) -> npt.NDArray[np.intp]:
    """Gallery indices by falling cosine similarity, (Q, D) x (G, D) -> (Q, G).

    Ties are broken by one seeded order of the gallery, so that a collapsed representation is not
    rewarded for a gallery that is sorted by class.
    """
    similarity = np.round(l2_normalised(queries) @ l2_normalised(gallery).T, 9)  # (Q, G)
    order = np.random.default_rng(seed).permutation(similarity.shape[1])
    ranked = np.argsort(-similarity[:, order], axis=1, kind="stable")
    return order[ranked]


def hits_at_k(
    ranking: npt.NDArray[np.intp], query_labels: npt.ArrayLike, gallery_labels: npt.ArrayLike, k: int
) -> Array:
    """1.0 for each query with its class among the k first of its ranking, else 0.0: (Q,)."""
    nearest = np.asarray(gallery_labels)[ranking[:, :k]]  # (Q, k)
    return (nearest == np.asarray(query_labels)[:, None]).any(axis=1).astype(np.float64)


def in_top_k(scores: npt.ArrayLike, classes: np.ndarray, labels: np.ndarray, k: int) -> Array:
    """1.0 for each row whose label is among the k classes with the highest scores: (N, C), (C,), (N,) -> (N,).

    Of classes with equal scores those that come first in `classes` are taken first, as in an argmax.
    """
    top = np.argsort(-np.asarray(scores), axis=1, kind="stable")[:, :k]  # (N, k)
    return (classes[top] == labels[:, None]).any(axis=1).astype(np.float64)


def chance_recall_at_k(n_relevant: npt.ArrayLike, n_gallery: int, k: int) -> Array:
    """P(at least one relevant item among k drawn without replacement), for each query.

    1 - C(G - m, k) / C(G, k), the hypergeometric probability of no hit.
    """

    def log_choose(n: int) -> float:
        return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)

    def one(m: int) -> float:
        if n_gallery - m < k:
            return 1.0
        return -float(np.expm1(log_choose(n_gallery - m) - log_choose(n_gallery)))

    return np.array([one(int(m)) for m in np.asarray(n_relevant)], dtype=np.float64)


def bootstrap_interval(
    values: npt.ArrayLike,
    owners: npt.ArrayLike,
    resamples: int,
    seed: int,
    weights: npt.ArrayLike | None = None,
) -> Interval:
    """The (weighted) mean of `values` and its 95 % percentile bootstrap interval, resampled by owner (video).

    Values of one video (its clips) are drawn or left out together.
    """
    sums, counts = _by_owner(values, owners, weights)
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    for r in range(resamples):
        drawn = rng.integers(sums.size, size=sums.size)
        means[r] = sums[drawn].sum() / counts[drawn].sum()
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(sums.sum() / counts.sum()), float(low), float(high))


def proportion_interval(
    values: npt.ArrayLike,
    owners: npt.ArrayLike,
    resamples: int,
    seed: int,
    weights: npt.ArrayLike | None = None,
) -> Interval:
    """`bootstrap_interval` of values in 0..1; Wilson's with n = videos where all videos are alike.

    There (all right or all wrong) a bootstrap has no width, which would claim certainty.
    """
    sums, counts = _by_owner(values, owners, weights)
    if np.ptp(sums / counts) > 1e-12:
        return bootstrap_interval(values, owners, resamples, seed, weights)
    mean = float(sums.sum() / counts.sum())
    return Interval(mean, *wilson(mean * sums.size, sums.size))


def sign_flip_p(
    differences: npt.ArrayLike, owners: npt.ArrayLike, seed: int, weights: npt.ArrayLike | None = None
) -> float:
    """P of a (weighted) mean at least as far from 0 if each owner's sign were a coin's: a paired test.

    Exact up to 12 owners that differ at all, else by 10,000 draws, with the observed one counted.
    """
    sums, _ = _by_owner(differences, owners, weights)
    sums = sums[np.abs(sums) > _NOTHING]
    if sums.size == 0:
        return 1.0
    seen = abs(sums.sum()) - _NOTHING
    if sums.size <= _EXACT:
        signs = np.array(list(product((-1.0, 1.0), repeat=sums.size)))
        return float((np.abs(signs @ sums) >= seen).mean())
    rng = np.random.default_rng(seed)
    extreme = 0
    for _ in range(_FLIPS // 1000):
        signs = rng.choice((-1.0, 1.0), size=(1000, sums.size))
        extreme += int((np.abs(signs @ sums) >= seen).sum())
    return (extreme + 1) / (_FLIPS + 1)


def sign_flip_test(
    differences: npt.ArrayLike, owners: npt.ArrayLike, seed: int, weights: npt.ArrayLike | None = None
) -> tuple[float | None, int]:
    """`sign_flip_p`, and of how many owners; no p with fewer than `LEAST_OWNERS`."""
    count = int(np.unique(np.asarray(owners)).size)
    return (sign_flip_p(differences, owners, seed, weights) if count >= LEAST_OWNERS else None), count


def _by_owner(
    values: npt.ArrayLike, owners: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[Array, Array]:
    """Sum and number of the values of each owner, or both by weight."""
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0:
        raise ValueError("an interval needs at least one value")
    _, owner = np.unique(np.asarray(owners), return_inverse=True)
    weight = np.ones(x.size) if weights is None else np.asarray(weights, dtype=np.float64)
    sums, totals = np.bincount(owner, weights=x * weight), np.bincount(owner, weights=weight)
    return sums.astype(np.float64), totals.astype(np.float64)


def wilson(successes: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a proportion (Wilson 1927)."""
    p, z2 = successes / n, _Z95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def group_means(x: npt.ArrayLike, owners: npt.ArrayLike, n_owners: int) -> Array:
    """Mean row of each owner, (N, D) -> (n_owners, D); owners without rows are NaN."""
    rows, owner = np.asarray(x, dtype=np.float64), np.asarray(owners)
    sums = np.zeros((n_owners, rows.shape[1]))
    np.add.at(sums, owner, rows)
    counts = np.bincount(owner, minlength=n_owners).astype(np.float64)
    with np.errstate(invalid="ignore"):
        return sums / counts[:, None]


def spread_of(values: Sequence[float]) -> float:
    """Sample standard deviation; 0 for a single value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
