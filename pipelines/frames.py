"""Which frames are stored, and how large: what readers of frames share."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import simplejpeg

from pipelines.video import VideoStream

_LONG = 3.0  # usual intervals: a picture that stays on for more is meant to
_LUMA = np.array([0.299, 0.587, 0.114], np.float32) / 255  # ITU-R BT.601


class FrameSource(Protocol):
    """Gives the frames shown at instants; successive calls ask for ever later instants."""

    def at(self, instants: np.ndarray) -> np.ndarray:
        """Ascending instants (n,), seconds -> RGB uint8 (n, height, width, 3)."""


def stored_size(video: VideoStream, short_side: int) -> tuple[int, int]:
    """(width, height) of stored frames: upright, square pixels, even sides, never enlarged."""
    width, height = video.width * video.pixel_aspect, float(video.height)
    if video.rotation % 180:
        width, height = height, width
    scale = min(1.0, short_side / min(width, height))
    return _even(width * scale), _even(height * scale)


def _even(length: float) -> int:
    return max(2, 2 * round(length / 2))


def usual_interval(times: np.ndarray) -> float:
    """The median of the time from frame to frame, seconds; 0 for a single frame."""
    return float(np.median(np.diff(times))) if len(times) > 1 else 0.0


def due(time: float, before: float, usual: float) -> float:
    """From when on a frame of presentation time `time` is taken, the frame before it being that of `before`.

    From halfway between the two: the choice is the nearest frame, without bias, at a constant rate and a variable
    one. But a picture that stays on for long is shown until the next one comes, less half the `usual` interval.
    """
    interval = time - before
    return time - (interval if interval <= _LONG * usual else usual) / 2


def choose(times: np.ndarray, instants: np.ndarray) -> np.ndarray:
    """Index of the frame for each instant: times float64 (n,) sorted, instants (k,) -> int64 (k,)."""
    intervals, usual = np.diff(times), usual_interval(times)
    taken_from = times[1:] - np.where(intervals <= _LONG * usual, intervals, usual) / 2
    return np.searchsorted(taken_from, instants, side="right")


def encode_jpeg(frames: np.ndarray, quality: int) -> list[bytes]:
    """RGB uint8 (n, height, width, 3) -> n JPEG files."""
    return [simplejpeg.encode_jpeg(np.ascontiguousarray(frame), quality, "RGB", "420") for frame in frames]


def motion(frames: np.ndarray) -> float:
    """Mean absolute difference of successive frames in grey levels 0..1; RGB uint8 (n, h, w, 3)."""
    if len(frames) < 2:
        return 0.0
    pixels = frames.reshape(len(frames), -1, 3)
    colours, greys = np.empty(pixels.shape[1:], np.float32), np.empty((2, pixels.shape[1]), np.float32)
    total = 0.0
    for number, frame in enumerate(pixels):
        grey, before = greys[number % 2], greys[1 - number % 2]
        np.copyto(colours, frame)
        np.matmul(colours, _LUMA, out=grey)
        if number:
            before -= grey
            total += float(np.abs(before, out=before).mean())
    return total / (len(frames) - 1)
