"""The arithmetic of the networks: float32, or bfloat16 where that is safe (torch's autocast decides)."""

from __future__ import annotations

import torch

from trainer.config import PretrainConfig


def autocast(config: PretrainConfig, device: torch.device) -> torch.autocast:
    """The context in which networks run; losses, augmentation and spectrograms stay outside, in float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=config.precision == "bf16")
