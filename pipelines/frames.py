"""Which frames are stored, and how large: what readers of frames share."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import simplejpeg

from pipelines.streams import VideoStream

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


def lead(times: np.ndarray) -> float:
    """How much before its time a frame may be taken: half the usual interval between frames.

    With a constant rate this makes the choice the nearest frame, without bias; where a frame stays on
    for long (variable rate), the one that is shown and not the one that comes next.
    """
    return float(np.median(np.diff(times))) / 2 if len(times) > 1 else 0.0


def choose(times: np.ndarray, instants: np.ndarray) -> np.ndarray:
    """Index of the frame for each instant: times float64 (n,) sorted, instants (k,) -> int64 (k,)."""
    found = np.searchsorted(times, instants + lead(times), side="right") - 1
    return np.clip(found, 0, len(times) - 1)


def encode_jpeg(frames: np.ndarray, quality: int) -> list[bytes]:
    """RGB uint8 (n, height, width, 3) -> n JPEG files."""
    return [simplejpeg.encode_jpeg(np.ascontiguousarray(frame), quality, "RGB", "420") for frame in frames]


def motion(frames: np.ndarray) -> float:
    """Mean absolute difference of successive frames in grey levels 0..1; RGB uint8 (n, h, w, 3)."""
    if len(frames) < 2:
        return 0.0
    total, before = 0.0, frames[0] @ _LUMA
    for frame in frames[1:]:
        grey = frame @ _LUMA
        total += float(np.abs(grey - before).mean())
        before = grey
    return total / (len(frames) - 1)
