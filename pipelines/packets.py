"""What a file's video packets tell without being decoded: times, and damage that shows from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np

from pipelines.bitstream import fault, has_hash, is_key, nal_prefix

_REORDERED = 16  # frames: as many as H.264 and H.265 can hold back
BACK_S = 1.0  # packets come in the order of decoding; one that goes back further belongs to another time line


def seconds(ticks: int, base: Fraction) -> float:
    """Ticks of a time base as seconds: what a product of fractions gives, which takes ten times as long."""
    return ticks * base.numerator / base.denominator


def stamp(packet: Any, base: Fraction | None = None) -> float | None:
    """When what is in a packet is shown, seconds; by the time of decoding where nothing else is known.

    `base`: the stream's time base, where it is at hand: PyAV makes a new one each time that it is asked.
    """
    at = packet.pts if packet.pts is not None else packet.dts
    return None if at is None else seconds(at, base or packet.time_base)


class TimeLine:
    """Tells where a stream's time stamps turn back: two recordings joined, or damage. `container`: its format."""

    def __init__(self, container: str = "") -> None:
        self._last = self._shown = float("-inf")
        self._base: Fraction | None = None
        self._presented = container != "avi"  # whose times of decoded frames are made up

    def turns_back(self, packet: Any) -> bool:
        """Whether this packet lies well before those that came so far."""
        if (dts := packet.dts) is None:
            return False
        if self._base is None:
            self._base = packet.time_base
        time = seconds(dts, self._base)
        if time < self._last - BACK_S:
            return True
        self._last = max(self._last, time)
        return False

    def shown_back(self, frames: Sequence[Any]) -> bool:
        """Whether one of these decoded frames is to be shown before those that came so far."""
        for frame in frames:
            if self._presented and (time := frame.time) is not None:
                if time < self._shown:
                    return True
                self._shown = time
        return False


@dataclass
class Packets:
    """What is gathered from the packets of a video stream; only the first frame is decoded.

    `times`: of those that are shown; `last_s`, `last_duration_s`: of the last of them; `sizes`: of all;
    `extra`: those that the container's edit list hides; `corrupt`: those that break off; `untimed`: those without
    a time; `odd_keys`: those that are called key frames and are none; `hashed`: whether the first has a hash of its
    picture, which only PyAV's decoder can be told to check; `fault`: the first thing that is wrong;
    `first_at`: where in the file the first one that is shown lies.
    """

    times: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    last_s: float = float("-inf")
    last_duration_s: float = 0.0
    extra: int = 0
    corrupt: int = 0
    untimed: int = 0
    odd_keys: int = 0
    hashed: bool = False
    fault: str | None = None
    first_at: int | None = None
    first_frame: Any = None

    @property
    def found(self) -> int:
        """How many frames the file has, shown or not."""
        return len(self.times) + self.extra + self.untimed


class PacketReader:
    """Takes the packets of a video stream one by one."""

    def __init__(self, stream: Any) -> None:
        context = stream.codec_context
        self.packets = Packets()
        self._codec, self._base = context.name, stream.time_base
        self._prefix = nal_prefix(context.name, context.extradata)
        self._line = TimeLine()
        self._over = self._keyless = False

    def note(self, packet: Any) -> None:
        """Take the next packet; those after a turn of the time stamps are left out."""
        packets = self.packets
        if packets.first_frame is None:
            self._decode_first(packet)
        if not packet.size or self._over:
            return
        if self._line.turns_back(packet):
            self._over = True
            self.blame("the time stamps turn back")
            return
        if packet.is_corrupt:
            packets.corrupt += 1
            return
        data = bytes(packet)
        packets.hashed = packets.hashed or (not packets.sizes and has_hash(data, self._codec))
        packets.sizes.append(packet.size)
        self.blame(fault(data, self._codec, self._prefix))
        if packet.is_keyframe and not is_key(data, self._codec):
            packets.odd_keys += 1
        if packet.is_discard:
            packets.extra += 1
        else:
            self._place(packet)

    def blame(self, what: str | None) -> None:
        """Note what is wrong, if anything; the first thing counts."""
        self.packets.fault = self.packets.fault or what

    def _place(self, packet: Any) -> None:
        packets, time = self.packets, stamp(packet, self._base)
        if time is None:
            packets.untimed += 1
            return
        if packets.corrupt:
            self.blame("a packet breaks off")  # and others need it
        # Durations follow the order of decoding: that of another frame says nothing about the end.
        if time > packets.last_s:
            packets.last_s, packets.last_duration_s = time, seconds(packet.duration or 0, self._base)
        if packets.first_at is None:
            packets.first_at = packet.pos
            self._keyless = not packet.is_keyframe and not packets.extra
        elif self._keyless and packet.is_keyframe:
            self.blame("it begins without a key frame")
        packets.times.append(time)

    def _decode_first(self, packet: Any) -> None:
        try:
            self.packets.first_frame = next(iter(packet.decode()), None)
        except av.FFmpegError:
            self.packets.corrupt += 1


def out_of_order(times: Sequence[float]) -> bool:
    """Whether a frame is shown further from where it is stored than any codec moves it: its time is wrong.

    `times`: of presentation, in the order of decoding.
    """
    ranks = np.argsort(np.argsort(times, kind="stable"), kind="stable")
    return bool(np.abs(ranks - np.arange(len(ranks))).max(initial=0) > _REORDERED)


def lost_from(packets: Packets, listed: list[int]) -> int | None:
    """The first frame that the container's index lists and the file does not have; None if all are there.

    `listed`: the sizes of the frames in the index.
    """
    if len(listed) <= packets.found:
        return None
    pairs = enumerate(zip(packets.sizes, listed, strict=False))
    return next((i for i, (found, size) in pairs if found != size), len(packets.sizes))
