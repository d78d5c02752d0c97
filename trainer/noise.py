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
    low, high = _signed(rows & _U32), _signed(rows >> 32 & _U32)
    start = _mix(low ^ _mix(high ^ _signed(torch.tensor(seed * _SEED & _U32))))
    at = _signed(torch.arange(columns, device=rows.device, dtype=torch.int64) * _GOLDEN & _U32)
    # A bank's worth for each query: in place, for memory's speed is what this takes its time from.
    return from_bits(_mix(start[:, None] + at[None, :]))  # (n, columns) int32; sums and products wrap


def from_bits(bits: Tensor) -> Tensor:
    """Standard Gumbel noise, always finite, of the upper 23 of 32 random bits (int32, overwritten).

    u = (k + 1/2) / 2**23 lies in (0, 1) exactly: float32 has the 24 bits that it takes. With one more, k + 1/2 would
    round, up to 1 in the end, and the noise be infinite.
    """
    u = bits.bitwise_right_shift_(9).bitwise_and_(0x7FFFFF).float()
    u.add_(0.5).mul_(2.0**-23)
    return u.log_().neg_().log_().neg_()


def _mix(x: Tensor) -> Tensor:
    """A bijection of 32-bit integers that leaves no pattern, in place: `lowbias32` (C. Wellons, 2018)."""
    x.bitwise_xor_(_shifted(x, 16)).mul_(_M1)
    x.bitwise_xor_(_shifted(x, 15)).mul_(_M2 - 2**32)
    return x.bitwise_xor_(_shifted(x, 16))


def _shifted(x: Tensor, bits: int) -> Tensor:
    """x >> bits of int32, without the sign's copies."""
    return (x >> bits).bitwise_and_(_U32 >> bits)


def _signed(x: Tensor) -> Tensor:
    """The int32 that has the bits of x in 0 .. 2**32 - 1."""
    return torch.where(x > 0x7FFFFFFF, x - 2**32, x).int()
