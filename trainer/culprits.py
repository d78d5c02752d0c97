"""Which clips of a batch broke a step: asked only when a loss or a gradient is not finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from chronav.errors import JobError
from trainer.batch import Batch
from trainer.config import PretrainConfig
from trainer.dist import gather_objects
from trainer.learner import Learner
from trainer.losses.term import Term
from trainer.objective import Views, run_model

_NAMED_CLIPS = 16
MicroBatch = tuple[Mapping[str, Term], Views, Batch]
"""This worker's terms of a micro-batch, what the networks saw of it, and the batch itself."""


def not_finite(
    learner: Learner, step: int, broken: Sequence[str], parts: Sequence[MicroBatch], config: PretrainConfig
) -> JobError:
    """The error that names the step, what broke (terms, their `total`, the `gradient`) and the clips.

    A collective of all workers.
    """
    suspects = [
        (seen, batch)
        for terms, seen, batch in parts
        if not set(broken) <= terms.keys()  # total, gradient: any of them
        or any(not bool(torch.isfinite(terms[name].total)) for name in broken)
    ]
    found = _gathered([clip for seen, batch in suspects for clip in culprits(learner, seen, batch, config)])
    clips = found or _gathered([clip for _, batch in suspects for clip in batch.clip_ids])
    more = f" and {len(clips) - _NAMED_CLIPS} more" if len(clips) > _NAMED_CLIPS else ""
    return JobError(
        f"loss is not finite at step {step}: {', '.join(broken)}; "
        f"{'clips' if found else 'any of the clips'} {', '.join(clips[:_NAMED_CLIPS])}{more}",
        code="not_finite",
    )


def _gathered(own: list[str]) -> list[str]:
    return [clip for part in gather_objects(own) for clip in part]


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
