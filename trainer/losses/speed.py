"""Playback speed: which of the strides {1, 2, 4, 8} a clip was taken at."""

from __future__ import annotations

from torch import Tensor

from trainer.losses.term import Term, cross_entropy


def speed_loss(logits: Tensor, speed: Tensor, valid: Tensor) -> Term:
    """l = -log softmax(logits)[speed], mean over the clips whose speed may be asked for.

    `logits`: (N, S); `speed`: (N,) class; `valid`: (N,) bool, False where stored frames repeat and so betray speed 1.
    """
    return cross_entropy(logits[valid], speed[valid])
