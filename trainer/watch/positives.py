"""Whether extra positives are what they are taken for: entries of the bank that show the same as the query."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from trainer.config import LossConfig
from trainer.contrast import Pairs
from trainer.losses.extras import draw_extras
from trainer.noise import gumbel
from trainer.watch.collect import every
from trainer.watch.labels import UNKNOWN, Labels

_CHUNK = 256
# Each query is compared with the whole bank: enough for a share to within 0.03.
_MOST_QUERIES = 1024


@dataclass(frozen=True)
class SameLabel:
    """Sums over drawn positives for which both labels are known."""

    drawn: int  # positives
    same: float  # of these, those with their query's label
    expected: float  # the same of entries drawn at random

    def __add__(self, other: SameLabel) -> SameLabel:
        return SameLabel(self.drawn + other.drawn, self.same + other.same, self.expected + other.expected)

    def metrics(self, prefix: str) -> dict[str, float]:
        """Shares, as `<prefix>_same_label` and `<prefix>_same_label_random`, and `<prefix>_n`."""
        if not self.drawn:
            return {}
        return {
            f"{prefix}_same_label": self.same / self.drawn,
            f"{prefix}_same_label_random": self.expected / self.drawn,
            f"{prefix}_n": float(self.drawn),
        }


@torch.no_grad()
def same_label(
    pairs: Pairs, bank: torch.Tensor, bank_video: torch.Tensor, labels: Labels, config: LossConfig, seed: int
) -> SameLabel:
    """Draw the extra positives that the loss would draw for `pairs` out of `bank` (M, d), and look at their labels.

    Of many queries some are taken, evenly spaced. Random entries are of other videos, like those that are drawn, and
    labelled; their share is exact, not sampled.
    """
    config = config.model_copy(update={"n_negatives": 0})  # only positives are looked at
    pairs = every(pairs, 0, max(1, math.ceil(len(pairs.video) / _MOST_QUERIES)))
    asked, stored = labels.of(pairs.video), labels.of(bank_video)
    found = SameLabel(0, 0.0, 0.0)
    for i in range(0, len(pairs.video), _CHUNK):
        part = slice(i, i + _CHUNK)
        video, label = pairs.video[part], asked[part]
        noise = gumbel(pairs.name[part], len(bank), seed)
        extras = draw_extras(pairs.positive[part], video, bank, bank_video, noise, config)
        drawn = stored[extras.positive]  # (n, n_p) labels
        counts = extras.has_positive & (drawn != UNKNOWN) & (label != UNKNOWN)[:, None]
        same = counts & (drawn == label[:, None])
        allowed = (video[:, None] != bank_video[None, :]) & (stored != UNKNOWN)[None, :]  # (n, M)
        alike = allowed & (stored[None, :] == label[:, None])
        share = alike.sum(dim=1) / allowed.sum(dim=1).clamp_min(1)  # (n,)
        expected = (counts.sum(dim=1) * share).sum()
        found += SameLabel(int(counts.sum()), float(same.sum()), float(expected))
    return found
