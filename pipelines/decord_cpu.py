"""decord, imported so that it leaves the rest of the process alone; every use of it goes through this module.

On import decord2 opens, for all to see (RTLD_GLOBAL), every CUDA library that pip packages of NVIDIA's have brought,
and torch brings them all. One of these is NVBLAS, which takes the place of the process's BLAS: the next float32
matrix product of torch then crashes (no GPU), or is quietly sent to the GPU (measured with decord2 3.4.0 and
torch 2.14.1). Decoding on the CPU needs none of them, so decord is told that there is no `nvidia` package.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


def _import_alone() -> Any:
    """decord without the CUDA libraries; `nvidia` can be imported again afterwards."""
    name = "nvidia"
    known: ModuleType | None = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]  # what the import system takes for "there is none"
    try:
        return importlib.import_module("decord")
    finally:
        if known is None:
            del sys.modules[name]
        else:
            sys.modules[name] = known


decord = _import_alone()
