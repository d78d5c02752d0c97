"""Frames by PyAV: the fast path, at home in most files, and told of damage packet by packet."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from pipelines.bitstream import STRICT_DECODERS, fault, nal_prefix
from pipelines.complaints import Suspicious, logged
from pipelines.frames import FrameSource, due, usual_interval
from pipelines.opening import best_stream, open_media
from pipelines.packets import TimeLine
from pipelines.result import one_line
from pipelines.video import VideoStream

_SMOOTH = Interpolation.BICUBIC  # as decord's frames are


@contextmanager
def pyav_frames(
    path: str, video: VideoStream, size: tuple[int, int], strict: bool = True
) -> Iterator[FrameSource]:
    """Opens a video; when `strict` raises `Suspicious` as soon as anything is wrong with what was decoded."""
    with (
        logged() as errors,
        open_media(path) as container,
        closing(_decode(container, errors, checked=strict)) as decoded,
    ):
        yield _PyavFrames(_timed(decoded, video, strict), video, size)


def decode_all(path: str) -> Iterator[tuple[Any, list[Any], str | None]]:
    """Every packet of a file's video, the frames that come out with it, and what is wrong with it, if anything.

    None stands for packets that are lost; the empty packet is the end of the file.
    """
    with logged() as errors, open_media(path) as container:
        yield from _decode(container, errors)


def _decoder(stream: Any) -> Any:
    """The decoder for a stream that notices most damage."""
    decoder = stream.codec_context
    strict = STRICT_DECODERS.get(decoder.name)
    if strict is not None:
        with suppress(av.codec.codec.UnknownCodecError):  # not all builds have it
            decoder = av.CodecContext.create(strict, "r")
            decoder.extradata = stream.codec_context.extradata
    if decoder.name == "hevc":
        decoder.options = {"err_detect": "crccheck"}  # hashes of pictures, where the file has them
    decoder.thread_count = 1
    return decoder


def _decode(
    container: Any, errors: list[Any], checked: bool = False
) -> Generator[tuple[Any, list[Any], str | None], None, None]:
    """As `decode_all`. `checked`: the bytes of all packets have been looked at (`VideoStream.fault`)."""
    stream = best_stream(container, "video")
    decoder, codec = _decoder(stream), stream.codec_context.name
    prefix = nal_prefix(codec, stream.codec_context.extradata)
    line = TimeLine(container.format.name)
    seen = len(errors)
    packets = container.demux(stream)
    try:
        for packet in packets:
            if len(errors) > seen:
                yield None, [], errors[-1][-1].strip()
            seen, frames, wrong = len(errors), [], None
            if packet.size and line.turns_back(packet):
                yield None, [], "the time stamps turn back"
                return
            if packet.is_corrupt:
                yield packet, [], "a packet breaks off"
                continue
            try:
                frames = decoder.decode(packet)
            except av.FFmpegError as error:
                wrong = one_line(error)
            if len(errors) > seen:
                wrong = errors[-1][-1].strip()
                seen = len(errors)
            elif any(frame.is_corrupt for frame in frames):
                wrong = "a frame is damaged"
            elif line.shown_back(frames):
                wrong = "frames out of order"
            if wrong is None and packet.size and not checked:
                wrong = fault(bytes(packet), codec, prefix)
            yield packet, frames, wrong
    except av.FFmpegError as error:
        yield None, [], one_line(error)
    finally:
        with suppress(av.FFmpegError):
            deque(packets, maxlen=0)  # where it is left before the end, PyAV loses memory


def _timed(
    decoded: Iterator[tuple[Any, list[Any], str | None]], video: VideoStream, strict: bool
) -> Iterator[tuple[float, Any]]:
    """Frames with their true times, seconds; when `strict` raises `Suspicious` where anything is wrong.

    A function and no method: a generator that held the reader which holds it would keep the decoder, and with it
    some MiB of pictures, until Python next looks for cycles.
    """
    # In AVI the times of decoded frames are made up where frames are reordered.
    times = iter(video.times) if video.counted else None
    time = 0.0
    for _, frames, wrong in decoded:
        if wrong and strict:
            raise Suspicious(wrong)
        for frame in frames:
            if times is not None:
                time = next(times, time)
            elif frame.time is not None:
                time = frame.time + video.shift_s
            yield time, frame


class _PyavFrames:
    """Sequential decoding with the true times."""

    def __init__(
        self, decoded: Iterator[tuple[float, Any]], video: VideoStream, size: tuple[int, int]
    ) -> None:
        self._width, self._height = size
        self._turns = video.rotation // 90 % 4
        self._usual = usual_interval(video.times)
        # One of each for all frames: making a scaler takes longer than scaling.
        self._scaler, self._painter = VideoReformatter(), VideoReformatter()
        self._decoded = decoded
        self._shown: Any = None
        self._next = next(self._decoded, None)

    def at(self, instants: np.ndarray) -> np.ndarray:
        """Ascending instants (n,), seconds -> RGB uint8 (n, height, width, 3)."""
        frames = np.empty((len(instants), self._height, self._width, 3), np.uint8)
        image: np.ndarray | None = None
        for i, instant in enumerate(instants):
            if self._advance(instant) or image is None:
                image = self._image()
            frames[i] = image
        return frames

    def _advance(self, instant: float) -> bool:
        """Show the last frame that is due at `instant`; whether that is another than before."""
        before = self._shown
        while self._next is not None and (
            self._shown is None or due(self._next[0], self._shown[0], self._usual) <= instant
        ):
            self._shown, self._next = self._next, next(self._decoded, None)
        if self._shown is None:
            raise Suspicious("no frame can be decoded")
        return self._shown is not before

    def _image(self) -> np.ndarray:
        turned = self._turns % 2 == 1
        width, height = (self._height, self._width) if turned else (self._width, self._height)
        frame = self._shown[1]
        coded = frame.format.name
        if coded.startswith("yuv"):
            # In two steps, for FFmpeg is slow at both at once; JPEG keeps half of the chroma, too.
            half = "yuvj420p" if coded.startswith("yuvj") else "yuv420p"
            frame = self._scaler.reformat(frame, width, height, half, interpolation=_SMOOTH, threads=1)
        shown = self._painter.reformat(frame, width, height, "rgb24", interpolation=_SMOOTH, threads=1)
        return np.rot90(shown.to_ndarray(), self._turns)
