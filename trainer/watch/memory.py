"""Memory of the process that trains."""

from __future__ import annotations

import psutil
import torch

_GIB = 2**30


def memory(device: torch.device) -> dict[str, float]:
    """GiB of this process, and the most that tensors took of its GPU since the last call, if it has one."""
    found = {"memory/process_gib": psutil.Process().memory_info().rss / _GIB}
    if device.type == "cuda":
        found["memory/gpu_peak_gib"] = torch.cuda.max_memory_allocated(device) / _GIB
        torch.cuda.reset_peak_memory_stats(device)
    return found
