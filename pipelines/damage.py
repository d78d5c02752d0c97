"""What is left of a damaged video: the spans of time in which every frame is what the encoder wrote."""

from __future__ import annotations

import numpy as np

from pipelines.frames import due, usual_interval
from pipelines.packets import stamp
from pipelines.pyav_frames import decode_all
from pipelines.segments import Span, within
from pipelines.video import VideoStream

_SAME_S = 1e-6


def whole_spans(path: str, video: VideoStream) -> tuple[list[Span], str | None]:
    """Decode a suspicious file once; its whole spans (start, end), seconds, and the first thing that is wrong.

    A damaged packet takes with it what is decoded from there on, up to the next key frame; all that follows where
    times are counted, for a frame that is lost makes those after it wrong.
    """
    damaged, shown, message = _damaged_times(path, video.shift_s)
    if video.counted:
        # What is decoded next may be shown first.
        first = min(damaged, default=video.end_s) - 1.5 * usual_interval(video.times)
        bad = video.times[video.times > first]
    else:
        bad = np.concatenate([damaged, video.times[~_among(video.times, shown)]])
    times = np.unique(np.concatenate([video.times, bad]))
    runs = _runs(times, _among(times, np.sort(bad)), video)
    return within(runs, video.spans), message


def _damaged_times(path: str, shift_s: float) -> tuple[list[float], np.ndarray, str | None]:
    """Times of damaged packets; of the frames that come out, sorted; and the first thing that is wrong."""
    damaged: list[float] = []
    shown: list[float] = []
    message = None
    broken = leading = hole = False
    key_s = latest_s = float("-inf")
    for packet, frames, wrong in decode_all(path):
        message = message or wrong
        shown += [frame.time + shift_s for frame in frames if frame.time is not None and not frame.is_corrupt]
        time = stamp(packet) if packet is not None and packet.size else None
        if time is None:
            hole = hole or wrong is not None
            continue
        time += shift_s
        if not packet.is_keyframe and latest_s == float("-inf"):
            broken = True  # nothing is right before the first key frame
        if hole:
            broken = True
            damaged.append(
                (max(latest_s, time - 1) + time) / 2
            )  # what is shown until this frame is not what was
        if wrong:
            broken, leading = True, False
        elif packet.is_keyframe:
            # Frames shown before a key frame but stored after it may need what was before.
            leading, broken, key_s = broken, False, time
        if broken or (leading and time < key_s):
            damaged.append(time)
        hole, latest_s = False, max(latest_s, time)
    return damaged, np.sort(shown), message


def _runs(times: np.ndarray, bad: np.ndarray, video: VideoStream) -> list[Span]:
    """The stretches between bad frames: times (n,) sorted, bad bool (n,)."""
    spans, usual = [], usual_interval(video.times)
    edges = np.flatnonzero(np.diff(np.concatenate([[True], bad, [True]])))  # begin, end, begin, end …
    for first, last in edges.reshape(-1, 2).tolist():
        # A bad frame would be chosen some time before its own.
        end_s = due(times[last], times[last - 1], usual) if last < len(times) else video.end_s
        spans.append((float(times[first]), float(end_s)))
    return spans


def _among(times: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which of `times` are in the sorted `others`: bool (n,)."""
    if len(others) == 0:
        return np.zeros(len(times), bool)
    right = np.searchsorted(others, times).clip(0, len(others) - 1)
    left = (right - 1).clip(0)
    return np.minimum(np.abs(others[right] - times), np.abs(others[left] - times)) < _SAME_S
