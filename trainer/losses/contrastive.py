"""The contrastive loss: usual pairs, supplemented by sample-dependent positives and negatives (method, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.losses.extras import Extras
from trainer.losses.term import Term, summed


@dataclass(frozen=True)
class Usual:
    """The usual pairs of n queries, and the keys of the whole batch."""

    query: Tensor  # (n, d) unit vectors of this worker, with gradient
    video: Tensor  # (n,) ids of their videos
    positive: Tensor  # (n, d) their paired keys k_i
    keys: Tensor  # (N, d) the keys of all workers
    key_video: Tensor  # (N,)


def contrastive_loss(
    usual: Usual, tau: float, bank: Tensor | None = None, extras: Extras | None = None
) -> Term:
    """l(q_i) = - 1 / (1 + |P_i|) * sum over p in {k_i} + P_i of log[ e(q_i, p) / ( e(q_i, p) + R_i ) ]

    with e(x, y) = exp(<x, y> / tau) and R_i = sum over n in N_i of e(q_i, n). N_i holds the keys of the *other*
    videos of the global batch, and the negatives that `extras` drew from `bank` (M, d); P_i its extra positives.
    All arithmetic in float32.
    """
    query = usual.query.float()
    same = usual.video[:, None] == usual.key_video[None, :]
    others = (query @ usual.keys.float().T / tau).masked_fill(same, -torch.inf)  # (n, N)
    rest = _logsumexp(others)  # (n,) log of the usual part of R_i
    usual_logit = (query * usual.positive.float()).sum(dim=1, keepdim=True) / tau  # (n, 1)
    logits, counts = usual_logit, torch.ones_like(usual_logit, dtype=torch.bool)
    if bank is not None and extras is not None:
        stored = query @ bank.T / tau  # (n, M)
        rest = torch.logaddexp(rest, _logsumexp(stored.masked_fill(~extras.negative, -torch.inf)))
        logits = torch.cat([logits, stored.gather(1, extras.positive)], dim=1)  # (n, 1 + n_p)
        counts = torch.cat([counts, extras.has_positive], dim=1)
    each = torch.nn.functional.softplus(rest[:, None] - logits).masked_fill(~counts, 0.0)
    losses = each.sum(dim=1) / counts.sum(dim=1)
    nearest = others.max(dim=1).values if others.shape[1] else rest
    return summed(losses, usual_logit[:, 0] > nearest)


def _logsumexp(logits: Tensor) -> Tensor:
    """log sum exp over the last dimension; the lowest float32, whose exp is 0, where nothing counts."""
    floor = torch.finfo(torch.float32).min
    nothing = (logits == -torch.inf).all(dim=1, keepdim=True)
    return torch.logsumexp(torch.where(nothing, floor, logits), dim=1)
