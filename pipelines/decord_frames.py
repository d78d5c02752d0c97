"""Frames by decord: a second opinion, for files in which its count can be trusted and its decoder stays silent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from pipelines.complaints import Suspicious, printed
from pipelines.decord_cpu import decord
from pipelines.frames import FrameSource, choose
from pipelines.result import one_line
from pipelines.video import VideoStream


@contextmanager
def decord_frames(path: str, video: VideoStream, size: tuple[int, int]) -> Iterator[FrameSource]:
    """Opens a video; raises `Suspicious`, at the latest at the end, when its frames may be wrong."""
    try:
        with printed() as complaints:
            source = _DecordFrames(path, video, size)
            yield source
            source.close()
    except (decord.DECORDError, decord.DECORDLimitReachedError) as error:
        raise Suspicious(one_line(error)) from None
    if complaints:
        raise Suspicious(complaints[0])


class _DecordFrames:
    """Random access by index. decord's own time stamps are not used: they lose the stream's start
    and are absurd for some AVI files.
    """

    def __init__(self, path: str, video: VideoStream, size: tuple[int, int]) -> None:
        if not video.plain:
            raise Suspicious("a file that decord may misread")
        decord.logging.set_level(decord.logging.INFO)  # that is how it says that it conceals what is missing
        width, height = size
        # Frames that it cannot decode decord replaces by their neighbours; from the first one on it must not.
        self._reader = decord.VideoReader(path, width=width, height=height, num_threads=1, fault_tol=1e-9)
        self._times = video.times
        if len(self._reader) != len(video.times):
            raise Suspicious("decord counts other frames than the container holds")

    def at(self, instants: np.ndarray) -> np.ndarray:
        """Ascending instants (n,), seconds -> RGB uint8 (n, height, width, 3)."""
        index, repeats = np.unique(choose(self._times, instants), return_inverse=True)
        frames = self._reader.get_batch(index).asnumpy()
        return frames if len(index) == len(repeats) else frames[repeats]

    def close(self) -> None:
        """End the reader, whose threads may be some packets ahead."""
        del self._reader
