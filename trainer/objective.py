"""From a batch to all terms of the objective: L = L_vv + L_va + lambda_t * (the seven temporal losses)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer.augment import apply_audio, apply_video
from trainer.batch import Batch
from trainer.config import HEADS, LossConfig, PretrainConfig
from trainer.dist import world_size
from trainer.losses.direction import direction_loss
from trainer.losses.order import OrderPairs, order_loss, order_pairs
from trainer.losses.speed import speed_loss
from trainer.losses.term import Term
from trainer.model import Outputs
from trainer.precision import autocast
from trainer.sound import LogMel, speed_up

FULL_SCALE = 32768.0
"""Of 16-bit sound."""


@dataclass
class Views:
    """The clips of a batch as the networks see them; None for a modality that it lacks."""

    video: Tensor | None  # (N, 3, T, H, W)
    audio: Tensor | None  # (M, bands, frames)


@dataclass
class Forward:
    """The network's answers to a batch, and the pairs whose order was asked for."""

    out: Outputs
    order: dict[str, Tensor]  # logits (P, 3) a head
    pairs: dict[str, OrderPairs]


def see(log_mel: LogMel | None, batch: Batch, config: PretrainConfig) -> Views:
    """Augment the clips of a batch on the device, in float32.

    Synchronised norms exchange statistics in every layer, so that a worker whose batch lacks a modality must run the
    networks all the same: on no clips.
    """
    if config.norm == "sync_batch" and world_size() > 1:
        return _see_all(log_mel, batch, config)
    return _see(log_mel, batch, config)


def _see_all(log_mel: LogMel | None, batch: Batch, config: PretrainConfig) -> Views:
    views, empty = _see(log_mel, batch, config), batch.video_params.new_zeros
    if views.video is None:
        views.video = empty(0, 3, config.video.n_frames, config.video.size, config.video.size)
    if views.audio is None and log_mel is not None:
        views.audio = empty(0, config.audio.n_mels, log_mel.frames(config.audio.clip_s))
    return views


def _see(log_mel: LogMel | None, batch: Batch, config: PretrainConfig) -> Views:
    video = apply_video(batch.canvas, batch.video_params, config.video.size) if len(batch.frames) else None
    audio = None
    if batch.waves and log_mel is not None:
        audio = apply_audio(log_mel(sped_up(batch)), batch.audio_params)
    return Views(video, audio)


def run_model(model: nn.Module, views: Views, batch: Batch, config: PretrainConfig) -> Forward:
    """Run the network once over all clips of the batch, in the precision of the config."""
    pairs = pairs_of(batch)
    rows = {name: (p.first, p.second) for name, p in pairs.items() if len(p.first)}
    with autocast(config, batch.index.device):
        out, order = model(views.video, views.audio, rows)
    return Forward(out, order, pairs)


def pairs_of(batch: Batch) -> dict[str, OrderPairs]:
    """The pairs of clips whose order the batch asks for, by head."""
    return order_pairs(batch.target, batch.order, batch.video_row, batch.audio_row)


def sped_up(batch: Batch) -> Tensor:
    """All audio clips at their speeds: (M, L) float32 in [-1, 1]."""
    played = [speed_up(wave.float() / FULL_SCALE, speed) for speed, wave, _ in batch.waves]
    rows = torch.cat([rows for _, _, rows in batch.waves])
    return torch.cat(played)[torch.argsort(rows)]


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


def temporal_counts(batch: Batch) -> dict[str, Tensor]:
    """How many items of a batch each temporal term has, known before the networks have seen it."""
    counts = {name: batch.index.new_tensor(len(pairs.label)) for name, pairs in pairs_of(batch).items()}
    for side, labels in (("v", batch.video), ("a", batch.audio)):
        counts[f"speed_{side}"] = labels.speed_valid.sum()
        counts[f"direction_{side}"] = batch.index.new_tensor(len(labels.backward))
    return {name: counts[name] for name in HEADS}


def total(terms: Mapping[str, Term], counts: Mapping[str, Tensor], config: LossConfig) -> Tensor:
    """The scalar to minimise: each term's sum over its count in the *global* batch, weighted."""
    means = {name: term.total / counts[name].clamp_min(1) for name, term in terms.items()}
    temporal = torch.stack([getattr(config, name) * means[name] for name in HEADS]).sum()
    contrastive = [getattr(config, name) * mean for name, mean in means.items() if name not in HEADS]
    return torch.stack([config.lambda_t * temporal, *contrastive]).sum()
