"""Near duplicates: videos that show the same, coded, scaled or lit another way, and last as long.

A video's signature is its length and the perceptual hashes of four of its frames. Videos that share two quarters of
hashes are compared, and no others, so that the work grows with the number of videos and not with its square.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from pipelines.config import NEAR_BITS

FRAMES = 4  # hashes in a signature
QUARTERS = 4  # of a hash, that videos are looked up by
_PAIRS = ((0, 1), (1, 2), (2, 3), (0, 3))  # of frames whose quarters are looked up together
_RECENT_KEYS = 200_000
_CELLS, _WAVES = 32, 8  # the picture is averaged to so many cells a side, and its slowest waves are looked at
_FLAT = 6.0  # grey levels: a picture with less contrast (standard deviation) says nothing
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
    (down, heights), (across, widths) = map(_cut, grey.shape)
    sums = np.add.reduceat(np.add.reduceat(grey, down, axis=0), across, axis=1)
    cells: np.ndarray = sums / np.outer(heights, widths)
    return cells


@lru_cache(maxsize=64)
def _cut(length: int) -> tuple[np.ndarray, np.ndarray]:
    """Where cells along a side of `length` pixels begin, and how long they are: int (cells,) each."""
    edges = np.linspace(0, length, _CELLS + 1).astype(int)
    return edges[:-1], np.diff(edges)


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


def are_near(one: Signature, other: Signature, bits: float = NEAR_BITS) -> bool:
    """Whether two videos show the same; not where most of their frames are flat.

    `bits`: by which their hashes may differ, on average.
    """
    allowed_s = max(_LENGTH_S, _LENGTH * max(one.seconds, other.seconds))
    pairs = [(a, b) for a, b in zip(one.hashes, other.hashes, strict=True) if a and b]
    if abs(one.seconds - other.seconds) > allowed_s or 2 * len(pairs) < FRAMES:
        return False
    return sum((a ^ b).bit_count() for a, b in pairs) <= bits * len(pairs)


class NearDuplicates:
    """Finds the earlier near duplicate of each video that it is given; about 200 bytes of memory a video.

    Of the videos with one key only the earliest is compared: near duplicates share several, so that one is enough.
    """

    def __init__(self, bits: float = NEAR_BITS) -> None:
        self._bits = bits
        self._ids: list[str] = []
        self._seconds, self._hashes = array("d"), array("Q")  # by number; FRAMES hashes each
        self._loaded = 0  # so many are of before
        self._forgotten: set[str] = set()
        self._recent: dict[int, int] = {}  # key -> number
        self._sorted: list[
            tuple[np.ndarray, np.ndarray]
        ] = []  # of each kind of key: keys uint32 (n,), numbers

    def load(self, signatures: Iterable[tuple[str, str]]) -> None:
        """Keep many videos, the earliest first, which are no near duplicates: id and signature as text."""
        for video_id, text in signatures:
            self._append(video_id, Signature.parse(text))
        self._loaded = len(self._ids)
        self._sort()

    def forget(self, video_ids: Iterable[str]) -> None:
        """Compare with loaded videos of these ids no more: they look another way now."""
        self._forgotten.update(video_ids)

    def mark(self, rows: Iterable[dict[str, Any]]) -> dict[str, str]:
        """Set `near_duplicate_of` in the ledger rows of one commit; of those that have one, id -> id of that."""
        near = {}
        for row in sorted(rows, key=lambda row: row["source_uri"]):
            if row["picture_hash"] is not None:
                row["near_duplicate_of"] = self.add(row["video_id"], Signature.parse(row["picture_hash"]))
                if row["near_duplicate_of"] is not None:
                    near[row["video_id"]] = row["near_duplicate_of"]
        return near

    def add(self, video_id: str, signature: Signature) -> str | None:
        """The id of an earlier video that this one is a near duplicate of; else it is kept, and None."""
        keys = list(_keys(signature))
        for number in self._candidates(keys):
            other = self._ids[number]
            if other == video_id:
                continue
            if are_near(self._signature(number), signature, self._bits):
                return other
        number = self._append(video_id, signature)
        for kind, bits in keys:
            self._recent.setdefault(kind << 32 | bits, number)
        if len(self._recent) > _RECENT_KEYS:
            self._sort()
        return None

    def _candidates(self, keys: Iterable[tuple[int, int]]) -> Iterator[int]:
        """Numbers of the earliest videos that have a key in common: of those of one key the first that was kept."""
        for kind, bits in keys:
            if self._sorted:
                known, numbers = self._sorted[kind]
                at = int(np.searchsorted(known, np.uint32(bits)))
                if at < len(known) and known[at] == bits and not self._gone(number := int(numbers[at])):
                    yield number
                    continue
            recent = self._recent.get(kind << 32 | bits)
            if recent is not None:
                yield recent

    def _gone(self, number: int) -> bool:
        return number < self._loaded and self._ids[number] in self._forgotten

    def _append(self, video_id: str, signature: Signature) -> int:
        self._ids.append(video_id)
        self._seconds.append(signature.seconds)
        self._hashes.extend(signature.hashes)
        return len(self._ids) - 1

    def _signature(self, number: int) -> Signature:
        hashes = self._hashes[number * FRAMES : (number + 1) * FRAMES]
        return Signature(self._seconds[number], tuple(hashes))

    def _sort(self) -> None:
        """Move all keys into sorted arrays, which need a tenth of the memory of a dict."""
        hashes = np.array(self._hashes, np.uint64).reshape(-1, FRAMES)
        self._sorted = []
        for a, b in _PAIRS:
            seen = np.flatnonzero((hashes[:, a] != 0) & (hashes[:, b] != 0))
            for quarter in range(QUARTERS):
                keys = _quarter(hashes[seen, a], quarter) << 16 | _quarter(hashes[seen, b], quarter)
                known, first = np.unique(keys.astype(np.uint32), return_index=True)
                self._sorted.append((known, seen[first].astype(np.int32)))
        self._recent = {}


def _keys(signature: Signature) -> Iterator[tuple[int, int]]:
    """What near duplicates most likely have in common: the same quarter of the hashes of two frames.

    Its kind, which tells which quarter of which frames, and its 32 bits.
    """
    for number, (a, b) in enumerate(_PAIRS):
        one, other = signature.hashes[a], signature.hashes[b]
        if one and other:
            for quarter in range(QUARTERS):
                bits = _quarter(one, quarter) << 16 | _quarter(other, quarter)
                yield number * QUARTERS + quarter, bits


def _quarter(hashes: Any, quarter: int) -> Any:
    """16 of the 64 bits of a hash, or of an array of them."""
    return hashes >> 16 * quarter & 0xFFFF
