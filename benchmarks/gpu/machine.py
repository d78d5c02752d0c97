"""What machine this is."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from typing import Any

import torch
import torchvision

from benchmarks.gpu.peaks import peak_flops

NO_DEVICE = "not measured: no CUDA device"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe(device: str) -> dict[str, Any]:
    """The fields of `chronav.gpu_report.GpuMachine`."""
    on_gpu = device == "cuda"
    name = torch.cuda.get_device_name() if on_gpu else "cpu"
    return {
        "device": name,
        "memory_bytes": torch.cuda.get_device_properties(0).total_memory if on_gpu else None,
        "peak_flops": peak_flops(name) if on_gpu else None,
        "cpus": cores(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "cuda": torch.version.cuda if on_gpu else None,
    }


def main() -> int:
    """Print it as JSON; without the device asked for one line, and exit code 2."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("device", choices=("cuda", "cpu"))
    device = parser.parse_args().device
    if device == "cuda" and not torch.cuda.is_available():
        print(NO_DEVICE, file=sys.stderr)
        return 2
    print(json.dumps(describe(device)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
