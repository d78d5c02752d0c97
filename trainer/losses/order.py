"""Temporal order of two clips: before, overlapping, after; within and across modalities."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from trainer.losses.term import Term, cross_entropy
from trainer.speeds import A1, A2, TARGET_PAIRS, V1, V2
from trainer.windows import AFTER

_VV = TARGET_PAIRS.index((V1, V2))
_AA = TARGET_PAIRS.index((A1, A2))
_V1_A2 = TARGET_PAIRS.index((V1, A2))
_A1_V2 = TARGET_PAIRS.index((A1, V2))


@dataclass
class OrderPairs:
    """The target pairs of a batch for one head."""

    first: Tensor  # (P,) rows of the first clips; for order_va, of the video clips
    second: Tensor  # (P,)
    label: Tensor  # (P,) class as seen from `first`
    sample: Tensor  # (P,) index in the batch


def order_pairs(target: Tensor, order: Tensor, video_row: Tensor, audio_row: Tensor) -> dict[str, OrderPairs]:
    """Only each sample's target pair counts: `target`, `order` (B,); `video_row`, `audio_row` (B, 2).

    The head across modalities is called with the video clip first; where the audio clip is the first window, the
    label is mirrored (before <-> after).
    """
    vv, aa = (target == _VV).nonzero()[:, 0], (target == _AA).nonzero()[:, 0]
    va, av = (target == _V1_A2).nonzero()[:, 0], (target == _A1_V2).nonzero()[:, 0]
    across = OrderPairs(
        torch.cat([video_row[va, 0], video_row[av, 1]]),
        torch.cat([audio_row[va, 1], audio_row[av, 0]]),
        torch.cat([order[va], AFTER - order[av]]),
        torch.cat([va, av]),
    )
    return {
        "order_vv": OrderPairs(video_row[vv, 0], video_row[vv, 1], order[vv], vv),
        "order_aa": OrderPairs(audio_row[aa, 0], audio_row[aa, 1], order[aa], aa),
        "order_va": across,
    }


def order_loss(logits: Tensor, label: Tensor) -> Term:
    """l = -log softmax(logits)[label]; `logits`: (P, 3), `label`: (P,)."""
    return cross_entropy(logits, label)
