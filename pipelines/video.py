"""What is known of a video before its frames are decoded: true times, sizes, and whether it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import av
import numpy as np

from pipelines.bitstream import STRICT_DECODERS
from pipelines.opening import best_stream, open_media
from pipelines.packets import Packets, out_of_order, stamp
from pipelines.segments import Span, split_at_jumps

# They say how long they are and where their frames lie. Of others FFmpeg guesses the length from the time stamps, and
# decord, which seeks, finds wrong frames in some (MPEG program streams) without noticing.
_INDEXED = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi"})
_MORE, _MORE_FRAMES = 1.02, 4  # headers that announce less than is there are off by less than this


@dataclass
class VideoStream:
    """What the container says of the video stream; times in seconds on the container's time line.

    `times`: presentation times of the frames that are shown, sorted, float64 (n,).
    `width`, `height`: as coded; `rotation`: degrees, counter-clockwise; `pixel_aspect`: width / height of a pixel;
    `rate`: mean frames per second.
    `spans`: what it is made of, (start, end); more than one where its time stamps jump absurdly.
    `plain`: every packet is a frame that is shown, the container is right about which are key frames, and FFmpeg's
    decoder notices damage.
    `counted`: the container has no times of presentation, so that frames are counted (AVI, raw streams).
    `fault`: what is wrong with a packet, as far as that shows without decoding it.
    `shift_s`: what has to be added to FFmpeg's times to have the true ones (it is, in all the others).
    """

    times: np.ndarray
    end_s: float
    width: int
    height: int
    rotation: int
    pixel_aspect: float
    rate: float
    spans: list[Span]
    plain: bool = True
    counted: bool = False
    fault: str | None = None
    shift_s: float = 0.0

    @property
    def start_s(self) -> float:
        """The instant of the first frame."""
        return float(self.times[0])

    @property
    def duration_s(self) -> float:
        """From the first frame to the end of the last."""
        return self.end_s - self.start_s


def video_stream(container: Any, stream: Any, packets: Packets) -> VideoStream | None:
    """What the packets of a stream, all read, say of it; None where no frame can be decoded."""
    frame = packets.first_frame
    # Of a raw stream, which has no times, what its codec says; its average is one that FFmpeg makes up.
    rate = stream.average_rate if packets.times else stream.guessed_rate
    if frame is None or not (packets.times or (packets.untimed and rate)):
        return None
    shift_s = _edit_shift(container, packets) if packets.extra else 0.0
    times = np.unique(np.asarray(packets.times, np.float64)) + shift_s
    if packets.untimed and rate:
        count = len(packets.times) + packets.untimed
        times = (times[0] if len(times) else 0.0) + np.arange(count) / float(rate)
    fault = packets.fault
    if stream.frames and packets.found > _MORE * stream.frames + _MORE_FRAMES:
        fault = fault or f"{packets.found} frames where {stream.frames} are announced"
    if out_of_order(packets.times):
        fault = fault or "frames out of order"
    interval = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    announced_s = announced_end(container, stream)
    end_s = float(times[-1]) + (packets.last_duration_s if packets.last_s + shift_s == times[-1] else 0.0)
    if announced_s is not None and announced_s > times[-1]:
        end_s = min(end_s, announced_s)
    end_s = max(end_s, float(times[-1]) + interval)
    spans = split_at_jumps(times, end_s, announced_s)
    return VideoStream(
        times=times,
        end_s=end_s,
        width=frame.width,
        height=frame.height,
        rotation=frame.rotation,
        pixel_aspect=float(stream.sample_aspect_ratio or 1),
        rate=_rate(len(times), sum(end - start for start, end in spans), rate),
        spans=spans,
        plain=_is_plain(container, stream, packets),
        counted=container.format.name == "avi" or packets.untimed > 0,
        fault=fault,
        shift_s=shift_s,
    )


def _edit_shift(container: Any, packets: Packets) -> float:
    """By how much FFmpeg's times of an edited video are early, seconds.

    It puts the first frame that is wholly shown at the start of the edit, which may begin within the frame before.
    Without its way of following edit lists the times are exact, while frames that are hidden are not told apart.
    """
    exact = open_media(container.name, advanced_editlist="0")
    with exact:
        for packet in exact.demux(best_stream(exact, "video")):
            if packet.size and packet.pos == packets.first_at:
                shift = (stamp(packet) or 0.0) - packets.times[0]
                return shift if 0 < shift < 1 else 0.0
    return 0.0


def _is_plain(container: Any, stream: Any, packets: Packets) -> bool:
    """Whether decord, which reads by index and with FFmpeg's own decoders, can be relied on."""
    known = container.format.name in _INDEXED and stream.codec_context.name not in STRICT_DECODERS
    return known and not packets.extra and not packets.odd_keys and not packets.hashed


def announced_end(container: Any, stream: Any) -> float | None:
    """Where the header says that a stream ends, seconds, if it does."""
    if container.format.name not in _INDEXED | {"flac"}:
        return None
    if stream.duration:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _rate(frames: int, duration_s: float, announced: Any) -> float:
    """Mean frames per second: counted, or as announced where that differs by no more than rounded times can."""
    counted = frames / duration_s if duration_s > 0 else 0.0
    return (
        float(announced) if announced and counted and abs(float(announced) / counted - 1) < 0.005 else counted
    )
