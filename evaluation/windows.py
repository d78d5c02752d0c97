"""Where the clips of a video lie: evenly spaced in its time line, mapped onto its stored segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Window:
    """A clip of `length` units (frames or samples) that begins at `start` of segment number `segment`.

    `short`: the segment is shorter than a clip; the clip begins at 0 and has to be filled up.
    """

    segment: int
    start: int
    short: bool = False


def spread(spans: Sequence[tuple[int, int]], length: int, clips: int) -> list[Window]:
    """Up to `clips` windows of `length` units, evenly spaced from the first unit to the last.

    `spans`: for each segment in time order the [begin, end) that may be used, in its own units.
    The segments are laid end to end; a window that would cross a border is moved into the segment
    that holds its centre. Windows that fall together are given once. Empty spans give none.
    """
    sizes = np.array([max(end - begin, 0) for begin, end in spans], dtype=np.int64)
    total = int(sizes.sum())
    if total == 0:
        return []
    ends = np.cumsum(sizes)
    starts = np.rint(np.linspace(0, max(total - length, 0), clips)).astype(np.int64)
    windows: dict[Window, None] = {}
    for start in starts:
        centre = min(int(start) + length // 2, total - 1)
        segment = int(np.searchsorted(ends, centre, side="right"))
        begin, size = spans[segment][0], int(sizes[segment])
        local = int(start) - (int(ends[segment]) - size)
        inside = min(max(local, 0), max(size - length, 0))
        windows[Window(segment, begin + inside, short=size < length)] = None
    return list(windows)


def frame_indices(n_stored: int, start: int, length: int) -> list[int]:
    """The stored frames of a clip; a segment that is too short is played round and round."""
    return [(start + i) % n_stored for i in range(length)]


def crop_squares(height: int, width: int, crops: int) -> list[tuple[int, int, int]]:
    """(top, left, side) of `crops` squares along the longer side: the centre, or both ends and the centre."""
    side = min(height, width)
    slack_y, slack_x = height - side, width - side
    shares = [0.5] if crops == 1 else [0.0, 0.5, 1.0]
    return [(round(share * slack_y), round(share * slack_x), side) for share in shares]
