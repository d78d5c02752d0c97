"""A named part of the objective: its mean over the global batch, and how often the guess was right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer.dist import all_sum, world_size


@dataclass
class Term:
    """`loss`: scalar whose gradient, averaged over workers, is that of the global mean."""

    loss: Tensor
    value: Tensor  # the global mean itself, for watching; 0 where nothing counted
    count: Tensor  # items of the global batch that counted
    accuracy: Tensor | None = None


def global_mean(losses: Tensor, correct: Tensor | None = None) -> Term:
    """Mean of per-item losses (n,) over the items of all workers.

    Local sum x world size / global count: DDP averages gradients over workers, so that a plain mean of local means
    would be wrong where the counts differ.
    """
    hits = losses.new_zeros(()) if correct is None else correct.float().sum()
    totals = all_sum(torch.stack([losses.detach().sum(), hits, losses.new_tensor(float(len(losses)))]))
    count = totals[2]
    loss = losses.sum() * (world_size() / count.clamp_min(1))
    mean = totals / count.clamp_min(1)
    return Term(loss, mean[0], count, None if correct is None else mean[1])


def cross_entropy(logits: Tensor, labels: Tensor) -> Term:
    """Softmax cross-entropy of (n, classes) logits against (n,) labels, averaged over the global batch."""
    losses = nn.functional.cross_entropy(logits.float(), labels, reduction="none")
    return global_mean(losses, logits.argmax(dim=1) == labels)
