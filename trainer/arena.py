"""Memory for the pictures and the sound of many samples: a few large blocks, not thousands of arrays."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

# From 4 MiB on, numpy asks Linux for huge pages: a fault then brings 2 MiB, not 4 KiB.
_BLOCK_BYTES = 32 * 2**20
_ALIGN = 64

Empty = Callable[[tuple[int, ...], npt.DTypeLike], np.ndarray]
"""Makes an array of a shape and a type, its values undefined: `np.empty`, or an arena's."""


class Arena:
    """Gives arrays out of large blocks, one behind the other; a block lives as long as an array in it."""

    def __init__(self, block_bytes: int = _BLOCK_BYTES) -> None:
        self._block_bytes = block_bytes
        self._blocks: list[np.ndarray] = []
        self._used: list[int] = []

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> np.ndarray:
        """An array like that of `np.empty`."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if not self._blocks or self._used[-1] + size > len(self._blocks[-1]):
            self._blocks.append(np.empty(max(size, self._block_bytes), np.uint8))
            self._used.append(0)
        start = self._used[-1]
        self._used[-1] = min(start + -(-size // _ALIGN) * _ALIGN, len(self._blocks[-1]))
        return self._blocks[-1][start : start + size].view(dtype).reshape(shape)

    def blocks(self) -> list[np.ndarray]:
        """The used part of every block: (bytes,) uint8 each."""
        return [block[:used] for block, used in zip(self._blocks, self._used, strict=True)]

    def place(self, memory: np.ndarray) -> tuple[int, int] | None:
        """Number of the block that holds `memory`, a contiguous array, and the offset in it; None: elsewhere."""
        at = memory.__array_interface__["data"][0]
        for number, block in enumerate(self._blocks):
            offset = at - block.__array_interface__["data"][0]
            if 0 <= offset < len(block):
                return number, offset
        return None
