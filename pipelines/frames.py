"""Frames at chosen instants, scaled, as RGB: decord where its count can be trusted, else PyAV."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import av
import numpy as np
import simplejpeg

from pipelines.decord_cpu import decord
from pipelines.result import BadMedia, one_line
from pipelines.schema import Reason, Status
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


class DecordFrames:
    """Random access by index. decord's own time stamps are not used: they lose the stream's start
    and are absurd for some AVI files.
    """

    def __init__(self, path: str, video: VideoStream, size: tuple[int, int]) -> None:
        decord.logging.set_level(decord.logging.QUIET)
        width, height = size
        # Frames that it cannot decode decord replaces by their neighbours; from the first one on it must not.
        self._reader = decord.VideoReader(path, width=width, height=height, num_threads=1, fault_tol=1e-9)
        self._times = video.times
        if video.extra_packets or len(self._reader) != len(video.times):
            raise decord.DECORDError("decord counts other frames than the container holds")

    def at(self, instants: np.ndarray) -> np.ndarray:
        """Ascending instants (n,), seconds -> RGB uint8 (n, height, width, 3)."""
        index, repeats = np.unique(choose(self._times, instants), return_inverse=True)
        frames = self._reader.get_batch(index).asnumpy()
        return frames if len(index) == len(repeats) else frames[repeats]


class PyavFrames:
    """Sequential decoding with the true times; slower, and at home in more files."""

    def __init__(self, path: str, video: VideoStream, size: tuple[int, int]) -> None:
        self._container = av.open(path, metadata_errors="ignore")
        self._stream = self._container.streams.best("video")
        self._stream.codec_context.thread_count = 1
        self._width, self._height = size
        self._turns = video.rotation // 90 % 4
        self._lead = lead(video.times)
        # AVI has no presentation times: those of decoded frames are made up where frames are reordered.
        self._times = iter(video.times) if self._container.format.name == "avi" else None
        self._decoded = self._decode()
        self._shown: Any = None
        self._next = next(self._decoded, None)

    def at(self, instants: np.ndarray) -> np.ndarray:
        """Ascending instants (n,), seconds -> RGB uint8 (n, height, width, 3)."""
        frames = np.empty((len(instants), self._height, self._width, 3), np.uint8)
        image: np.ndarray | None = None
        for i, instant in enumerate(instants):
            if self._advance(instant + self._lead) or image is None:
                image = self._image()
            frames[i] = image
        return frames

    def _advance(self, instant: float) -> bool:
        """Show the last frame that is due at `instant`; whether that is another than before."""
        before = self._shown
        while self._next is not None and (self._shown is None or self._next[0] <= instant):
            self._shown, self._next = self._next, next(self._decoded, None)
        if self._shown is None:
            raise BadMedia(Status.FAILED, Reason.CORRUPT_FRAMES, "no frame can be decoded")
        return self._shown is not before

    def _decode(self) -> Iterator[tuple[float, Any]]:
        time = 0.0
        try:
            for packet in self._container.demux(self._stream):
                if packet.is_corrupt:
                    continue  # half a packet at the end of a truncated file
                for frame in packet.decode():
                    if self._times is not None:
                        time = next(self._times, time)
                    elif frame.time is not None:
                        time = frame.time
                    yield time, frame
        except av.FFmpegError as error:
            raise BadMedia(Status.FAILED, Reason.CORRUPT_FRAMES, one_line(error)) from None

    def _image(self) -> np.ndarray:
        turned = self._turns % 2 == 1
        width, height = (self._height, self._width) if turned else (self._width, self._height)
        image = self._shown[1].to_ndarray(format="rgb24", width=width, height=height)
        return np.rot90(image, self._turns)


FRAME_SOURCES: tuple[Callable[[str, VideoStream, tuple[int, int]], FrameSource], ...] = (
    DecordFrames,
    PyavFrames,
)
"""In the order in which they are tried."""


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
