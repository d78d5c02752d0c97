"""Playback direction: whether a clip runs forward or backward."""

from __future__ import annotations

from torch import Tensor

from trainer.losses.term import Term, cross_entropy


def direction_loss(logits: Tensor, backward: Tensor) -> Term:
    """l = -log softmax(logits)[backward]; `logits`: (N, 2), `backward`: (N,) of 0 and 1."""
    return cross_entropy(logits, backward)
