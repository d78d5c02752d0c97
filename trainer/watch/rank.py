"""How many dimensions features really use: the effective rank, and an alarm where it collapses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# A dimension is dead where it varies by less than this share of the features' root mean square.
_DEAD = 1e-3
# Rows, as multiples of the threshold, without which a low rank says nothing: n rows have at most rank n.
_ENOUGH = 8


@dataclass(frozen=True)
class Moments:
    """Sums over n features of D dimensions, in float64; those of several batches or workers add up."""

    n: int
    total: Tensor  # (D,)
    products: Tensor  # (D, D) sum of x x^T

    @classmethod
    def of(cls, features: Tensor) -> Moments:
        """`features`: (n, D)."""
        rows = features.double()
        return cls(len(rows), rows.sum(dim=0), rows.T @ rows)

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.n + other.n, self.total + other.total, self.products + other.products)

    def cpu(self) -> Moments:
        """The same in main memory."""
        return Moments(self.n, self.total.cpu(), self.products.cpu())

    def metrics(self, name: str) -> dict[str, float]:
        """`rank/<name>` and `rank/<name>_dead`."""
        if not self.n:
            return {}
        return {f"rank/{name}": effective_rank(self), f"rank/{name}_dead": dead_share(self)}


def effective_rank(moments: Moments) -> float:
    """exp(entropy of the singular values over their sum) of the (n, D) matrix of features, as they are.

    Roy and Vetterli, "The effective rank", EUSIPCO 2007. Between 1 (all features on one line) and min(n, D); 0 where
    they are all zero. Not centred: features that are all alike have rank 1, however their rounding errors vary.
    """
    squared = torch.linalg.eigvalsh(moments.products).clamp_min(0)  # (D,) squared singular values
    floor = squared.max() * len(squared) * torch.finfo(squared.dtype).eps  # below: what rounding made of 0
    values = squared[squared > floor].sqrt()
    if not len(values):
        return 0.0
    share = values / values.sum()
    return float(torch.exp(-(share * share.log()).sum()))


def dead_share(moments: Moments) -> float:
    """The share of dimensions that do not vary."""
    mean_square = moments.products.diagonal() / moments.n  # (D,)
    variance = mean_square - (moments.total / moments.n) ** 2
    return float((variance <= _DEAD**2 * mean_square.mean()).double().mean())


def collapsed(moments: Moments, threshold: float) -> bool:
    """Whether the effective rank is below `threshold`, with features enough to tell."""
    if moments.n < _ENOUGH * threshold:
        return False
    return effective_rank(moments) < threshold
