"""A learner in the middle of a run: heads that answer, full banks, weights that have learnt a little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from benchmarks.gpu.work import Work
from trainer.bank import MemoryBank
from trainer.config import PretrainConfig
from trainer.learner import Learner
from trainer.step import optimise

_HEAD_STD = 0.05
_DIFFERENT_BATCHES = 4


@dataclass(frozen=True)
class State:
    """Networks, momentum networks and banks."""

    model: dict[str, Any]
    contrast: dict[str, Any]


def running_learner(work: Work, config: PretrainConfig, state: State | None = None) -> Learner:
    """The same learner at every call with the same config, or one in a given state.

    Heads begin at zero, where they give the encoders no gradient to compare, and banks begin empty, where the
    contrastive loss does not cost what it will: both are given seeded random values.
    """
    learner = Learner.build(config, work.shard.sample_rate, 2 * config.loss.bank_size, work.device)
    if state is not None:
        learner.model.load_state_dict(state.model)
        learner.contrast.load_state_dict(state.contrast)
        return learner
    generator = torch.Generator().manual_seed(config.seed)
    with torch.no_grad():
        for parameter in learner.model.parameters():
            if parameter.ndim > 1 and not bool(parameter.any()):
                drawn = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(_HEAD_STD * drawn)
    for bank in learner.contrast.banks.values():
        assert isinstance(bank, MemoryBank)
        keys = torch.randn(bank.keys.shape, generator=generator)
        videos = torch.arange(bank.size)  # no video of the shard: their ids are hashes of 64 bits
        bank.push(nn.functional.normalize(keys, dim=1).to(work.device), videos.to(work.device))
    return learner


def trained_state(work: Work, config: PretrainConfig) -> State:
    """What a few steps make of a running learner.

    Freshly initialised, so deep a network turns a rounding of its weights into another gradient, and nothing could
    be told from comparing gradients (docs/gpu.md).
    """
    size = work.amounts.correctness_batch
    samples = work.samples(_DIFFERENT_BATCHES * size, config)
    learner = running_learner(work, config)
    learner.model.train()
    for step in range(work.amounts.settling_steps):
        first = step % _DIFFERENT_BATCHES * size
        optimise(learner, [work.batch(samples[first : first + size], size, config)], config, step)
    return State(learner.model.state_dict(), learner.contrast.state_dict())
