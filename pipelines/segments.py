"""Cutting a video's time line into segments, and a segment into instants."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_ROUNDING = 1e-6  # a duration summed from time stamps misses its true value by less than this


@dataclass(frozen=True)
class Segment:
    """Part `index` of a video, in seconds on the source's own time line."""

    index: int
    start_s: float
    duration_s: float


def cut(start_s: float, duration_s: float, segment_s: float, min_s: float) -> list[Segment]:
    """Cut into n = max(1, ceil((d - min_s) / segment_s)) equal parts (contract 1)."""
    n = max(1, math.ceil((duration_s - min_s) / segment_s - _ROUNDING))
    part = duration_s / n
    return [Segment(i, start_s + i * part, part) for i in range(n)]


def frame_count(duration_s: float, fps: float) -> int:
    """How many instants k / fps lie in a segment such that each has its full 1 / fps of time."""
    return int(duration_s * fps + _ROUNDING)


def instants(segment: Segment, fps: float) -> np.ndarray:
    """The instants of a segment's stored frames: `start_s + k / fps`, float64 (n_frames,)."""
    return segment.start_s + np.arange(frame_count(segment.duration_s, fps)) / fps
