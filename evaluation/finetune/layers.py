"""Learning rates: by layer, the lower the slower, and by step, a warm-up and a cosine."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from torch import nn

from evaluation.finetune.config import FinetuneConfig


def stages_of(encoder: nn.Module) -> list[nn.Module]:
    """The stages of an encoder, in the order in which they are defined, the input's first.

    Found without knowing the network: a module that only wraps another is opened, its children are the stages, and a
    sequence of composite modules (not of single layers, as a stem is) counts as that many stages.
    """
    inner = encoder
    while len(_children(inner)) == 1 and not list(inner.parameters(recurse=False)):
        inner = _children(inner)[0]
    return list(_opened(inner)) or [inner]


def _children(module: nn.Module) -> list[nn.Module]:
    """The direct children that have anything to learn."""
    return [child for child in module.children() if any(True for _ in child.parameters())]


def _opened(module: nn.Module) -> Iterator[nn.Module]:
    for child in _children(module):
        parts = _children(child)
        composite = isinstance(child, nn.Sequential) and all(_children(part) for part in parts)
        yield from _opened(child) if composite else [child]


def parameter_groups(
    encoder: nn.Module, head: nn.Module, config: FinetuneConfig, decay: float
) -> list[dict[str, Any]]:
    """AdamW's groups, each with its `peak` rate: lr for the head, lr * decay for the last stage, and so on down.

    Vectors (norms, biases) have no weight decay. Parameters of the encoder that are in no stage go with the first.
    """
    stages = stages_of(encoder)
    depth_of = {id(p): depth for depth, stage in enumerate(stages) for p in stage.parameters()}
    by_depth: dict[int, list[nn.Parameter]] = {depth: [] for depth in range(len(stages) + 1)}
    for parameter in encoder.parameters():
        by_depth[depth_of.get(id(parameter), 0)].append(parameter)
    by_depth[len(stages)] = list(head.parameters())
    groups = []
    for depth, parameters in by_depth.items():
        peak = config.lr * decay ** (len(stages) - depth)
        for matrix in (True, False):
            mine = [p for p in parameters if p.requires_grad and (p.ndim > 1) == matrix]
            if mine:
                weight_decay = config.weight_decay if matrix else 0.0
                groups.append({"params": mine, "weight_decay": weight_decay, "lr": peak, "peak": peak})
    return groups


def rate_share(step: int, steps: int, warmup: float) -> float:
    """Share of the peak rate at a step (0-based): up linearly over the share `warmup` of the steps, then a cosine."""
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))
