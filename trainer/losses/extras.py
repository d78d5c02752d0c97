"""Sample-dependent positives and negatives out of a memory bank (method, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.config import LossConfig


@dataclass(frozen=True)
class Extras:
    """What is drawn from a bank of M filled entries for n queries."""

    positive: Tensor  # (n, n_p) entries of the bank
    has_positive: Tensor  # (n, n_p) bool: False where a query has fewer
    negative: Tensor  # (n, M) bool: the drawn negatives


@torch.no_grad()
def draw_extras(
    key: Tensor, video: Tensor, bank: Tensor, bank_video: Tensor, noise: Tensor, config: LossConfig
) -> Extras:
    """P_i and N_i for each query, sought by its paired *key*: the search must not chase the query's own noise.

    - P_i: n_p of the n_top entries nearest to k_i, drawn without replacement with p ~ exp(<k_i, .> / tau_p).
    - N_i: n_n entries (at most a quarter of M), drawn without replacement with logits <k_i, .> / tau_n, after the
      n_skip = max(skip share of M, n_top) entries most similar to k_i are taken out: likely false negatives.

    Both by Gumbel-top-k (Kool et al., 2019), and never from the query's own video. `key`: (n, d) unit vectors;
    `video`: (n,); `bank`: (M, d); `bank_video`: (M,); `noise`: (n, M) standard Gumbel.
    """
    similar = key.float() @ bank.T  # (n, M)
    similar = similar.masked_fill(video[:, None] == bank_video[None, :], -torch.inf)
    entries = bank.shape[0]
    n_skip = min(max(round(config.skip_share * entries), config.n_top), entries)
    nearest, at = similar.topk(n_skip, dim=1)  # (n, n_skip), nearest first
    top = min(config.n_top, entries)
    score = nearest[:, :top] / config.tau_positive + noise.gather(1, at[:, :top])
    best, chosen = score.topk(min(config.n_positives, top), dim=1)
    positive = at.gather(1, chosen)
    hard = (similar / config.tau_negative).add_(noise).scatter_(1, at, -torch.inf)
    n_negatives = min(config.n_negatives, int(entries * config.negative_share))
    worth, drawn = hard.topk(n_negatives, dim=1, sorted=False)
    negative = torch.zeros_like(similar, dtype=torch.bool).scatter_(1, drawn, worth > -torch.inf)
    return Extras(positive, best > -torch.inf, negative)
