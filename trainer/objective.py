"""From a batch to all terms of the objective: L = L_vv + L_va + lambda_t * (the seven temporal losses)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer.augment import apply_audio, apply_video
from trainer.batch import Batch
from trainer.config import HEADS, LossConfig, PretrainConfig
from trainer.contrast import Contrast
from trainer.losses.direction import direction_loss
from trainer.losses.order import OrderPairs, order_loss, order_pairs
from trainer.losses.speed import speed_loss
from trainer.losses.term import Term
from trainer.model import Outputs
from trainer.sound import LogMel, speed_up

_FULL_SCALE = 32768.0


@dataclass
class Forward:
    """The network's answers to a batch, and the pairs whose order was asked for."""

    out: Outputs
    order: dict[str, Tensor]  # logits (P, 3) a head
    pairs: dict[str, OrderPairs]
    video: Tensor | None  # (N, 3, T, H, W) the clips as the network saw them
    audio: Tensor | None  # (M, bands, frames)


def run_model(model: nn.Module, log_mel: LogMel | None, batch: Batch, config: PretrainConfig) -> Forward:
    """Augment on the device and run the network once over all clips of the batch."""
    video = apply_video(batch.canvas, batch.video_params, config.video.size) if len(batch.frames) else None
    audio = None
    if batch.waves and log_mel is not None:
        audio = apply_audio(log_mel(sped_up(batch)), batch.audio_params)
    pairs = order_pairs(batch.target, batch.order, batch.video_row, batch.audio_row)
    rows = {name: (p.first, p.second) for name, p in pairs.items() if len(p.first)}
    out, order = model(video, audio, rows)
    return Forward(out, order, pairs, video, audio)


def sped_up(batch: Batch) -> Tensor:
    """All audio clips at their speeds: (M, L) float32 in [-1, 1]."""
    played = [speed_up(wave.float() / _FULL_SCALE, speed) for speed, wave, _ in batch.waves]
    rows = torch.cat([rows for _, _, rows in batch.waves])
    return torch.cat(played)[torch.argsort(rows)]


def all_terms(forward: Forward, batch: Batch, contrast: Contrast) -> dict[str, Term]:
    """Every term of the objective, by name.

    With several workers each of them calls this with the same terms in the same order, whatever its batch lacks:
    the terms hold collectives.
    """
    terms = temporal_terms(forward, batch)
    keys = contrast.keys(forward.out, forward.video, forward.audio)
    return terms | contrast.terms(forward.out, keys, batch)


def temporal_terms(forward: Forward, batch: Batch) -> dict[str, Term]:
    """The seven temporal losses (method, section 3)."""
    out, empty = forward.out, batch.video_params.new_zeros
    terms = {}
    for side, labels in (("v", batch.video), ("a", batch.audio)):
        speed, direction = getattr(out, f"speed_{side}"), getattr(out, f"direction_{side}")
        speed = empty(0, 1) if speed is None else speed
        direction = empty(0, 1) if direction is None else direction
        terms[f"speed_{side}"] = speed_loss(speed, labels.speed, labels.speed_valid)
        terms[f"direction_{side}"] = direction_loss(direction, labels.backward)
    for name, pairs in forward.pairs.items():
        logits = forward.order.get(name, empty(0, 3))
        terms[name] = order_loss(logits, pairs.label)
    return {name: terms[name] for name in HEADS}


def total(terms: dict[str, Term], config: LossConfig) -> Tensor:
    """The scalar to minimise."""
    temporal = torch.stack([getattr(config, name) * terms[name].loss for name in HEADS]).sum()
    contrastive = [getattr(config, name) * term.loss for name, term in terms.items() if name not in HEADS]
    return torch.stack([config.lambda_t * temporal, *contrastive]).sum()
