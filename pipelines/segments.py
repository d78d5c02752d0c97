"""Cutting a video's time line into segments, and a segment into instants."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

Span = tuple[float, float]  # start and end, seconds
MIN_FRAMES = 2  # of what is stored: less holds no time
_ROUNDING = 1e-6  # a duration summed from time stamps misses its true value by less than this
_JUMP_S = (
    10.0  # a longer step from frame to frame has to be borne out by the length that the header announces,
)
_JUMP_INTERVALS = 10.0  # unless frames are as far apart as this many times less
_SPARE_S = 1.0  # headers are not more exact than this


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


def split_at_jumps(times: np.ndarray, end_s: float, announced_s: float | None) -> list[Span]:
    """The spans of a video whose time stamps, float64 (n,) sorted, may be absurd; most often one.

    `announced_s`: where the header says that the video ends. A frame that is on longer than is believable without
    that ends its span, as if it were on for the usual time.
    """
    steps = np.append(np.diff(times), end_s - times[-1])
    usual = float(np.median(steps))
    long = np.flatnonzero(steps > max(_JUMP_S, _JUMP_INTERVALS * usual))
    if len(long) == 0 or (announced_s is not None and end_s <= announced_s + _SPARE_S):
        return [(float(times[0]), end_s)]
    firsts = [0, *(long + 1).tolist()]
    spans = [
        (float(times[first]), float(times[last]) + usual) for first, last in zip(firsts, long, strict=False)
    ]
    if firsts[-1] < len(times):
        spans.append((float(times[firsts[-1]]), end_s))
    return spans


def within(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """What lies in a span of each of two lists, both in ascending order."""
    others = list(others)
    shared = ((max(a, c), min(b, d)) for a, b in spans for c, d in others)
    return [(start, end) for start, end in shared if start < end]


def cut_spans(spans: Iterable[Span], fps: float, segment_s: float, min_s: float) -> list[Segment]:
    """Cut each of the spans that a video is made of; a sound one is one span.

    Spans shorter than `min_s` are left out, except the longest; those of less than two frames in any case.
    """
    lengths = sorted(((end - start, start) for start, end in spans), reverse=True)
    kept = [(start, length) for i, (length, start) in enumerate(lengths) if i == 0 or length >= min_s]
    parts = [
        part
        for start, length in sorted(kept)
        if frame_count(length, fps) >= MIN_FRAMES
        for part in cut(start, length, segment_s, min_s)
    ]
    return [replace(part, index=index) for index, part in enumerate(parts)]


def frame_count(duration_s: float, fps: float) -> int:
    """How many instants k / fps lie in a segment such that each has its full 1 / fps of time."""
    return int(duration_s * fps + _ROUNDING)


def instants(segment: Segment, fps: float) -> np.ndarray:
    """The instants of a segment's stored frames: `start_s + k / fps`, float64 (n_frames,)."""
    return segment.start_s + np.arange(frame_count(segment.duration_s, fps)) / fps
