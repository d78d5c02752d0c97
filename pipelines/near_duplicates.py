"""Near duplicates: videos that show the same, coded, scaled or lit another way, and last as long.

A video's signature is its length and the perceptual hashes of four of its frames. Videos that share two quarters of
hashes are compared, and no others, so that the work grows with the number of videos and not with its square.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

FRAMES = 4  # hashes in a signature
_CELLS, _WAVES = 32, 8  # the picture is averaged to so many cells a side, and its slowest waves are looked at
_FLAT = 6.0  # grey levels: a picture with less contrast (standard deviation) says nothing
_NEAR = 8.0  # of 64 bits, on average: re-coding changes 1 to 4, other videos of the same scene differ by more
_LENGTH, _LENGTH_S = 0.02, 0.25  # lengths differ by no more than this share, or this many seconds
_GREY = np.full(3, 1 / 3, np.float32)
_TABLE = np.cos(np.pi * np.arange(_WAVES)[:, None] * (np.arange(_CELLS) + 0.5) / _CELLS)  # (waves, cells)


def picture_hash(frame: np.ndarray) -> int:
    """64 bits of an RGB picture uint8 (h, w, 3), which hardly change with its coding or its size; 0: a flat one.

    The signs of its slowest cosine waves, relative to their median.
    """
    cells = _averaged(frame @ _GREY)
    if cells.std() < _FLAT:
        return 0
    waves = (_TABLE @ cells @ _TABLE.T).ravel()
    bits = waves > np.median(waves[1:])
    bits[0] = True  # the mean: no bit of its own, and so no hash is 0
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _averaged(grey: np.ndarray) -> np.ndarray:
    """float (h, w), at least one pixel a cell or repeated -> (cells, cells)."""
    for axis, length in enumerate(grey.shape):
        if length < _CELLS:
            grey = grey.repeat(-(-_CELLS // length), axis=axis)
    edges = [np.linspace(0, length, _CELLS + 1).astype(int) for length in grey.shape]
    sums = np.add.reduceat(np.add.reduceat(grey, edges[0][:-1], axis=0), edges[1][:-1], axis=1)
    cells: np.ndarray = sums / np.outer(np.diff(edges[0]), np.diff(edges[1]))
    return cells


@dataclass(frozen=True)
class Signature:
    """Of a video: its length, seconds, and the hashes of `FRAMES` frames at fixed shares of it; 0 for a flat one."""

    seconds: float
    hashes: tuple[int, ...]

    @classmethod
    def of(cls, seconds: float, hashes: Sequence[int]) -> Signature | None:
        """From the hashes of frames at equal distances throughout the video; None without any."""
        if not hashes:
            return None
        picked = [hashes[len(hashes) * (2 * k + 1) // (2 * FRAMES)] for k in range(FRAMES)]
        return cls(seconds, tuple(picked))

    @classmethod
    def parse(cls, text: str) -> Signature:
        """From what `str` gives."""
        seconds, *hashes = text.split(":")
        return cls(float(seconds), tuple(int(part, 16) for part in hashes))

    def __str__(self) -> str:
        return ":".join([f"{self.seconds:.3f}", *(f"{value:016x}" for value in self.hashes)])


def are_near(one: Signature, other: Signature) -> bool:
    """Whether two videos show the same; not where most of their frames are flat."""
    allowed_s = max(_LENGTH_S, _LENGTH * max(one.seconds, other.seconds))
    pairs = [(a, b) for a, b in zip(one.hashes, other.hashes, strict=True) if a and b]
    if abs(one.seconds - other.seconds) > allowed_s or 2 * len(pairs) < FRAMES:
        return False
    return sum((a ^ b).bit_count() for a, b in pairs) <= _NEAR * len(pairs)


class NearDuplicates:
    """Finds the earlier near duplicate of each video that it is given; about 1.5 kB of memory a video.

    Of two videos with one key the earlier is kept under it: near duplicates share several, so that one is enough.
    """

    def __init__(self) -> None:
        self._by_key: dict[int, tuple[str, Signature]] = {}

    def add(self, video_id: str, signature: Signature) -> str | None:
        """The id of an earlier video that this one is a near duplicate of; else it is kept, and None."""
        keys = list(_keys(signature))
        for key in keys:
            known = self._by_key.get(key)
            if known is not None and known[0] != video_id and are_near(known[1], signature):
                return known[0]
        for key in keys:
            self._by_key.setdefault(key, (video_id, signature))
        return None


def _keys(signature: Signature) -> Iterator[int]:
    """What near duplicates most likely have in common: the same quarter of the hashes of two frames."""
    for number, (a, b) in enumerate(
        [*pairwise(signature.hashes), (signature.hashes[0], signature.hashes[-1])]
    ):
        if not (a and b):
            continue
        for quarter in range(4):
            bits = (a >> 16 * quarter & 0xFFFF) << 16 | (b >> 16 * quarter & 0xFFFF)
            yield (number * 4 + quarter) << 32 | bits
