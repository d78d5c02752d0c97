"""AdamW without decay on norms and biases; linear warm-up and cosine decay."""

from __future__ import annotations

import math

import torch
from torch import nn

from trainer.config import PretrainConfig


def make_optimiser(model: nn.Module, config: PretrainConfig) -> torch.optim.AdamW:
    """AdamW over two groups: matrices and kernels decay, vectors (norms, biases) do not."""
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr)


def learning_rate(step: int, config: PretrainConfig) -> float:
    """Rate of a step (0-based): lr * batch / lr_batch, warmed up linearly, then half a cosine down to 0."""
    peak = config.lr * config.batch_size / config.lr_batch
    if step < config.warmup_steps:
        return peak * (step + 1) / config.warmup_steps
    share = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
