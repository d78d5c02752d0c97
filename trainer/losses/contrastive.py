"""The contrastive loss with the usual pairs (InfoNCE; van den Oord et al., 2018)."""

from __future__ import annotations

import torch
from torch import Tensor

from trainer.losses.term import Term, global_mean


def contrastive_loss(
    query: Tensor, query_video: Tensor, positive: Tensor, keys: Tensor, key_video: Tensor, tau: float
) -> Term:
    """l(q_i) = -log( e(q_i, k_i) / ( e(q_i, k_i) + sum over n in N_i of e(q_i, n) ) ),  e(x, y) = exp(<x, y> / tau).

    N_i holds the keys of the *other* videos of the global batch. All arithmetic in float32.

    `query`: (n, d) unit vectors of this worker; `query_video`: (n,) ids of their videos; `positive`: (n, d), k_i;
    `keys`: (K, d) of all workers; `key_video`: (K,).
    """
    query, positive, keys = query.float(), positive.float(), keys.float()
    pair = (query * positive).sum(dim=1, keepdim=True) / tau  # (n, 1)
    others = (query @ keys.T / tau).masked_fill(
        query_video[:, None] == key_video[None, :], -torch.inf
    )  # (n, K)
    losses = torch.logsumexp(torch.cat([pair, others], dim=1), dim=1) - pair[:, 0]
    nearest = others.max(dim=1).values if others.shape[1] else torch.full_like(pair[:, 0], -torch.inf)
    return global_mean(losses, pair[:, 0] > nearest)
