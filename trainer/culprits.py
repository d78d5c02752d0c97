"""Which clips of a batch broke a step: asked only when a loss or a gradient is not finite."""

from __future__ import annotations

import torch
from torch import Tensor

from trainer.batch import Batch
from trainer.config import PretrainConfig
from trainer.learner import Learner
from trainer.objective import Views, run_model


@torch.no_grad()
def culprits(learner: Learner, seen: Views, batch: Batch, config: PretrainConfig) -> list[str]:
    """Clip ids of the samples whose views, or else whose features, are not finite; empty where none is, or all are.

    The networks are run once more, as in an evaluation: with batch norm's statistics of training, one bad sample
    would make the features of all bad.
    """
    for video, audio in ((seen.video, seen.audio), _features(learner, seen, batch, config)):
        bad = _samples(video, batch.video_row) | _samples(audio, batch.audio_row)
        if 0 < int(bad.sum()) < len(bad):
            return [clip for clip, is_bad in zip(batch.clip_ids, bad.tolist(), strict=True) if is_bad]
    return []


def _features(
    learner: Learner, seen: Views, batch: Batch, config: PretrainConfig
) -> tuple[Tensor | None, Tensor | None]:
    training = learner.model.training
    out = run_model(learner.model.eval(), seen, batch, config).out
    learner.model.train(training)
    return out.video, out.audio


def _samples(values: Tensor | None, rows: Tensor) -> Tensor:
    """(B,) bool: samples with a value that is not finite in the rows (B, 2) of theirs; -1: it has no such row."""
    if values is None or not len(values):
        return torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    bad = ~torch.isfinite(values).flatten(1).all(dim=1)
    return (bad[rows.clamp_min(0)] & (rows >= 0)).any(dim=1)
