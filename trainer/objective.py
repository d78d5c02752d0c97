"""From a batch to all terms of the objective: L = L_vv + L_va + lambda_t * (the seven temporal losses)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer.augment import apply_audio, apply_video
from trainer.batch import Batch
from trainer.config import HEADS, LossConfig, PretrainConfig
from trainer.dist import gather_rows
from trainer.losses.contrastive import contrastive_loss
from trainer.losses.direction import direction_loss
from trainer.losses.order import OrderPairs, order_loss, order_pairs
from trainer.losses.speed import speed_loss
from trainer.losses.term import Term
from trainer.model import Outputs
from trainer.sound import LogMel, speed_up

CONTRASTIVE = ("vv", "va")
_FULL_SCALE = 32768.0


@dataclass
class Forward:
    """The network's answers to a batch, and the pairs whose order was asked for."""

    out: Outputs
    order: dict[str, Tensor]  # logits (P, 3) a head
    pairs: dict[str, OrderPairs]


def run_model(model: nn.Module, log_mel: LogMel | None, batch: Batch, config: PretrainConfig) -> Forward:
    """Augment on the device and run the network once over all clips of the batch."""
    video = apply_video(batch.canvas, batch.video_params, config.video.size) if len(batch.frames) else None
    audio = None
    if batch.waves and log_mel is not None:
        audio = apply_audio(log_mel(sped_up(batch)), batch.audio_params)
    pairs = order_pairs(batch.target, batch.order, batch.video_row, batch.audio_row)
    rows = {name: (p.first, p.second) for name, p in pairs.items() if len(p.first)}
    out, order = model(video, audio, rows)
    return Forward(out, order, pairs)


def sped_up(batch: Batch) -> Tensor:
    """All audio clips at their speeds: (M, L) float32 in [-1, 1]."""
    played = [speed_up(wave.float() / _FULL_SCALE, speed) for speed, wave, _ in batch.waves]
    rows = torch.cat([rows for _, _, rows in batch.waves])
    return torch.cat(played)[torch.argsort(rows)]


def all_terms(forward: Forward, batch: Batch, config: PretrainConfig) -> dict[str, Term]:
    """Every term of the objective that this batch can give, by name.

    With several workers each of them calls this with the same terms in the same order, whatever its batch lacks:
    the terms hold collectives.
    """
    terms = temporal_terms(forward, batch)
    terms["vv"] = _video_video(forward.out, batch, config)
    terms["va"] = _video_audio(forward.out, batch, config)
    return terms


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
    contrast = torch.stack([getattr(config, name) * terms[name].loss for name in CONTRASTIVE]).sum()
    return contrast + config.lambda_t * temporal


def _video_video(out: Outputs, batch: Batch, config: PretrainConfig) -> Term:
    """v1 <-> v2: the other window of the same video, against both windows of the others."""
    present = (batch.video_row >= 0).all(dim=1)
    projected = _rows(out.v_vv, batch, config.projection_dim)
    one, two = projected[batch.video_row[present, 0]], projected[batch.video_row[present, 1]]
    video = batch.key[present]
    query, positive, ids = torch.cat([one, two]), torch.cat([two, one]), torch.cat([video, video])
    return contrastive_loss(query, ids, positive, gather_rows(query), gather_rows(ids), config.loss.tau)


def _video_audio(out: Outputs, batch: Batch, config: PretrainConfig) -> Term:
    """v_k -> a_k and a_k -> v_k: the clip of the same window in the other modality."""
    present = ((batch.video_row >= 0) & (batch.audio_row >= 0)).flatten()  # (B * 2,)
    video = _rows(out.v_va, batch, config.projection_dim)[batch.video_row.flatten()[present]]
    audio = _rows(out.a_va, batch, config.projection_dim)[batch.audio_row.flatten()[present]]
    ids = batch.key.repeat_interleave(2)[present]
    all_ids = gather_rows(ids)
    to_audio = contrastive_loss(video, ids, audio, gather_rows(audio), all_ids, config.loss.tau)
    to_video = contrastive_loss(audio, ids, video, gather_rows(video), all_ids, config.loss.tau)
    return Term(
        (to_audio.loss + to_video.loss) / 2,
        (to_audio.value + to_video.value) / 2,
        to_audio.count + to_video.count,
        _mean(to_audio.accuracy, to_video.accuracy),
    )


def _mean(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    return None if one is None or other is None else (one + other) / 2


def _rows(projected: Tensor | None, batch: Batch, dim: int) -> Tensor:
    return batch.video_params.new_zeros(0, dim) if projected is None else projected
