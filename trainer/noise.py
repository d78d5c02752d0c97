"""Random numbers that depend on what they are for, and never on which worker draws them."""

from __future__ import annotations

import torch
from torch import Tensor

_U32 = 0xFFFFFFFF
_GOLDEN = 0x9E3779B9
_SEED = 0x85EBCA77
_M1, _M2 = 0x7FEB352D, 0x846CA68B


def gumbel(rows: Tensor, columns: int, seed: int) -> Tensor:
    """Standard Gumbel noise (n, columns) float32, a pure function of (row key, column, seed).

    `rows`: (n,) int64 keys. -log(-log u), with u from a hash, so that a sample gets the same noise whichever worker
    holds it and however many there are, and a resumed run that of an undisturbed one.
    """
    start = _mix(rows & _U32 ^ _mix((rows >> 32 & _U32) ^ (seed * _SEED & _U32)))
    at = torch.arange(columns, device=rows.device, dtype=torch.int64) * _GOLDEN & _U32
    u = (_mix(start[:, None] + at[None, :] & _U32) >> 8).float().add_(0.5).mul_(2.0**-24)  # in (0, 1)
    return -torch.log(-torch.log(u))


def _mix(x: Tensor) -> Tensor:
    """A bijection of 32-bit integers that leaves no pattern: `lowbias32` (C. Wellons, 2018), in int64 arithmetic."""
    x = (x ^ x >> 16) * _M1 & _U32
    x = (x ^ x >> 15) * _M2 & _U32
    return x ^ x >> 16
