"""A learner as it is in the middle of a run: heads that answer, banks that are full."""

from __future__ import annotations

import torch
from torch import nn

from trainer.bank import MemoryBank
from trainer.config import PretrainConfig
from trainer.learner import Learner

_HEAD_STD = 0.05


def running_learner(config: PretrainConfig, sample_rate: int, device: torch.device) -> Learner:
    """The same learner at every call with the same config.

    Heads begin at zero, where they give the encoders no gradient to compare, and banks begin empty, where the
    contrastive loss does not cost what it will: both are given seeded random values.
    """
    learner = Learner.build(config, sample_rate, 2 * config.loss.bank_size, device)
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
        bank.push(nn.functional.normalize(keys, dim=1).to(device), videos.to(device))
    return learner
