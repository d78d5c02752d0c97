"""The normalisation layer is a setting; networks are written with batch norm and converted."""

from __future__ import annotations

from torch import nn

from trainer.config import Norm

_GROUPS = 8


def convert_norm(module: nn.Module, kind: Norm) -> nn.Module:
    """Replace every batch norm of `module` by the norm `kind`; returns the module (perhaps a new one)."""
    if kind == "batch":
        return module
    if kind == "sync_batch":
        return nn.SyncBatchNorm.convert_sync_batchnorm(module)
    if isinstance(module, nn.BatchNorm1d):
        # Vectors have no space to take statistics over: a group of two channels would leave nothing but signs.
        return nn.GroupNorm(1, module.num_features)
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return nn.GroupNorm(_groups(module.num_features), module.num_features)
    for name, child in module.named_children():
        setattr(module, name, convert_norm(child, kind))
    return module


def _groups(channels: int) -> int:
    groups = _GROUPS
    while channels % groups:
        groups //= 2
    return groups
