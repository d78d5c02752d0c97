"""The floating-point operations that the networks need for one sample, counted without computing anything."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from trainer.config import PretrainConfig
from trainer.model import AudioVisualModel, Outputs
from trainer.momentum import MomentumModel
from trainer.sound import LogMel

_WINDOWS = 2  # clips of each modality a sample


@dataclass(frozen=True)
class SampleFlops:
    """FLOPs of convolutions and matrix products a sample; a multiplication and an addition are two."""

    forward: int
    backward: int
    momentum: int  # the momentum model's forward pass; 0 where there is none

    @property
    def total(self) -> int:
        """Of a training step, a sample."""
        return self.forward + self.backward + self.momentum


def sample_flops(config: PretrainConfig, sample_rate: int) -> SampleFlops:
    """Count on tensors without data (device `meta`); augmentation, losses and banks are left out.

    The order heads are too: they see only some pairs, and are a thousandth of an encoder's share.
    """
    mel = LogMel(config.audio, sample_rate)(torch.zeros(1, round(config.audio.clip_s * sample_rate)))
    with torch.device("meta"):
        model = AudioVisualModel(config)
        momentum = MomentumModel(model) if config.loss.keys == "momentum" else None
        size = config.video.size
        video = torch.empty(_WINDOWS, 3, config.video.n_frames, size, size)
        audio = torch.empty(_WINDOWS, *mel.shape[1:])
    with FlopCounterMode(display=False) as forward:
        out, _ = model(video, audio, {})
    with FlopCounterMode(display=False) as backward:
        _sum(out).backward()
    with FlopCounterMode(display=False) as keys:
        if momentum is not None:
            momentum(video, audio)
    return SampleFlops(*(counter.get_total_flops() for counter in (forward, backward, keys)))


def _sum(out: Outputs) -> Tensor:
    """A scalar that needs every head's gradient."""
    values = [value for value in vars(out).values() if isinstance(value, Tensor) and value.ndim == 2]
    return torch.stack([value.sum() for value in values]).sum()
