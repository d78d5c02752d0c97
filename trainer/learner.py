"""All that training changes: the networks, what the contrastive loss remembers, and the optimiser."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from trainer.config import PretrainConfig
from trainer.contrast import Contrast
from trainer.dist import world_size
from trainer.model import AudioVisualModel
from trainer.optimiser import make_optimiser
from trainer.sound import LogMel


@dataclass
class Learner:
    """`wrapped` is the model with gradients averaged over the workers; `log_mel` is None without sound."""

    model: AudioVisualModel
    wrapped: nn.Module
    contrast: Contrast
    log_mel: LogMel | None
    optimiser: torch.optim.Optimizer

    @classmethod
    def build(
        cls, config: PretrainConfig, sample_rate: int, epoch_samples: int, device: torch.device
    ) -> Learner:
        """Fresh networks, the same on every worker whatever it drew before; `sample_rate` 0: no sound."""
        torch.manual_seed(config.seed)
        model = AudioVisualModel(config).to(device)
        contrast = Contrast(model, config, epoch_samples).to(device)
        if config.compile:
            _compile(model, contrast)
        log_mel = LogMel(config.audio, sample_rate).to(device) if sample_rate else None
        wrapped = nn.parallel.DistributedDataParallel(model) if world_size() > 1 else model
        return cls(model, wrapped, contrast, log_mel, make_optimiser(model, config))

    def exported(self) -> nn.Module:
        """The network whose encoders a run leaves: the trained one, or its moving average."""
        if self.contrast.config.export_weights == "online":
            return self.model
        assert self.contrast.momentum is not None  # the config sees to it
        return self.contrast.momentum


def _compile(model: AudioVisualModel, contrast: Contrast) -> None:
    """Compile the encoders in place: their weights keep their names, so checkpoints do not change."""
    model.video_encoder.compile()
    model.audio_encoder.compile()
    if contrast.momentum is not None:
        contrast.momentum.video_encoder.compile()
        contrast.momentum.audio_encoder.compile()
