"""The few collectives that training needs; with one worker they do nothing."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Workers of this run."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """This worker's number."""
    return dist.get_rank() if dist.is_initialized() else 0


def all_sum(value: Tensor) -> Tensor:
    """Sum over workers, without gradient."""
    if world_size() == 1:
        return value.detach()
    total = value.detach().clone()
    dist.all_reduce(total)
    return total


def agreed(flag: bool, device: torch.device) -> bool:
    """Rank 0's flag, on every worker."""
    if world_size() == 1:
        return flag
    told = torch.tensor([flag], dtype=torch.int32, device=device)
    dist.broadcast(told, src=0)
    return bool(told)


def gather_rows(rows: Tensor) -> Tensor:
    """The rows of all workers in worker order; gradients flow back to their owners. (n, ...) -> (sum n, ...)

    Workers may hold different numbers of rows, none included: rows travel padded to the largest count.
    """
    if world_size() == 1:
        return rows
    counts = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(world_size())]
    dist.all_gather(counts, torch.tensor([len(rows)], device=rows.device))
    sizes = [int(c) for c in counts]
    padded = rows.new_zeros(max(sizes), *rows.shape[1:])
    padded = torch.cat([rows, padded[len(rows) :]])
    if rows.is_floating_point() and torch.is_grad_enabled() and not padded.requires_grad:
        # The backward pass is a collective too: a worker without rows must take part in it.
        padded.requires_grad_()
    parts = _Gather.apply(padded)  # (workers, longest, ...)
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


class _Gather(torch.autograd.Function):
    """Equal blocks of all workers, stacked; each worker's gradient is the sum of what all of them ask of it."""

    @staticmethod
    def forward(ctx: Any, block: Tensor) -> Tensor:
        parts = [torch.empty_like(block) for _ in range(world_size())]
        dist.all_gather(parts, block.contiguous())
        return torch.stack(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total[rank()]


def gather_objects(value: Any) -> list[Any]:
    """One Python value from each worker, in worker order."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values
