"""Sound on the time line: decoding by presentation time, cutting in step with frames, FLAC."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import av
import numpy as np
import soundfile

from pipelines.packets import TimeLine
from pipelines.result import one_line
from pipelines.segments import Segment

_GAP_S = 0.03  # time stamps that jump by less than this are rounding and clock drift
_FAR_S = 600.0  # a longer silence between sounds is taken for a fault
_RESAMPLED = 16_384  # samples that the resampler gives at a time: each time costs a trip through Python
SILENCE_DB = -120.0


@dataclass(frozen=True)
class Sound:
    """Mono sound on the container's time line: float32 (n,), sample 0 at the instant `start_s`."""

    samples: np.ndarray
    start_s: float
    sample_rate: int

    @property
    def duration_s(self) -> float:
        """Seconds of sound, gaps included."""
        return len(self.samples) / self.sample_rate

    @property
    def end_s(self) -> float:
        """The instant at which the sound ends."""
        return self.start_s + self.duration_s


@dataclass(frozen=True)
class AlignedSound:
    """The sound of one segment: sample 0 is the instant of frame 0; zeros where the source has none.

    `samples`: float32 (round(duration * rate),); the source has sound from `valid_start_s` to
    `valid_end_s`, relative to frame 0.
    """

    samples: np.ndarray
    valid_start_s: float
    valid_end_s: float


class SoundReader:
    """Takes an audio stream's packets one by one; places what they decode to by presentation time.

    `logged`: the growing list of what FFmpeg's libraries complain of, a text at the end of each; `decoder`: the name
    of the one whose complaints are about this stream.
    """

    def __init__(self, sample_rate: int, logged: Sequence[Any] = (), decoder: str = "") -> None:
        self.sample_rate = sample_rate
        self.error: str | None = None
        self._logged, self._decoder = logged, decoder
        self._hole = False
        self._line = TimeLine()
        self._over = False
        self._runs: list[tuple[float, list[np.ndarray]]] = []
        self._resampler: Any = None
        self._next_s = 0.0

    @property
    def empty(self) -> bool:
        """Whether nothing has been decoded."""
        return not self._runs

    def read(self, packet: Any) -> None:
        """Decode a packet; one that is damaged is left out, and `error` says what the first one's fault is.

        So are those after a turn of the time stamps, which would lie over what was there before.
        """
        if self._over or (packet.size and self._line.turns_back(packet)):
            self._over = True
            self.blame("the time stamps turn back")
            return
        before = len(self._logged)
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            self.blame(one_line(error))
            return
        said = [text.strip() for _, source, text in self._logged[before:] if source == self._decoder]
        if said or packet.is_corrupt:
            self.blame(said[0] if said else "a packet breaks off")
            return
        try:
            for frame in frames:
                self._add(frame)
        except av.FFmpegError as error:
            self.blame(f"cannot be mixed: {one_line(error)}")

    def blame(self, what: str) -> None:
        """Note what is wrong; the first thing counts."""
        self.error = self.error or f"sound: {what}"
        self._hole = True  # what comes next is placed by its own time, however short the hole

    def finish(self) -> Sound | None:
        """All that was decoded, or None when that is nothing."""
        self._end_run()
        runs = [(start, np.concatenate(parts)) for start, parts in self._runs if parts]
        if not runs:
            return None
        runs = self._together(runs)
        origin = min(start for start, _ in runs)
        end = max(round((start - origin) * self.sample_rate) + len(part) for start, part in runs)
        samples = np.zeros(end, np.float32)
        for start, part in runs:
            first = round((start - origin) * self.sample_rate)
            samples[first : first + len(part)] = part
        return Sound(samples, origin, self.sample_rate)

    def _together(self, runs: list[tuple[float, np.ndarray]]) -> list[tuple[float, np.ndarray]]:
        """The runs without those that absurd time stamps put far away: the largest group of what lies together."""
        groups: list[list[tuple[float, np.ndarray]]] = []
        end_s = float("-inf")
        for start, part in sorted(runs, key=lambda run: run[0]):
            if start > end_s + _FAR_S:
                groups.append([])
            groups[-1].append((start, part))
            end_s = max(end_s, start + len(part) / self.sample_rate)
        if len(groups) > 1:
            self.blame("the time stamps jump")
        return max(groups, key=lambda group: sum(len(part) for _, part in group))

    def _add(self, frame: Any) -> None:
        time = self._next_s if frame.time is None else frame.time
        other = self._resampler is not None and not self._resampler.takes(frame)
        if not self._runs or self._hole or other or abs(time - self._next_s) > _GAP_S:
            self._end_run()
            self._runs.append((time, []))
            self._next_s, self._hole = time, False
        if self._resampler is None:
            self._resampler = _Resampler(frame, self.sample_rate)
        self._next_s += frame.samples / frame.sample_rate
        frame.pts = None  # the run has its time already; the resampler must not fill gaps itself
        self._runs[-1][1].extend(self._resampler.resample(frame))

    def _end_run(self) -> None:
        if self._resampler is not None:
            self._runs[-1][1].extend(self._resampler.finish())
            self._resampler = None


_filter = lru_cache(av.filter.Filter)  # looked up once: by name a graph does it anew each time


def _mixer(layout: str, channels: int) -> str | None:
    """How channels become one where FFmpeg does not know what they stand for; None where it does.

    The first of a sound field (ambisonics) is what a single microphone would have heard; of others the mean.
    """
    if layout.startswith("ambisonic"):
        return "mono|c0=c0"
    if " channels" in layout:  # `9 channels`: without places
        return "mono|c0=" + "+".join(f"{1 / channels:.9f}*c{channel}" for channel in range(channels))
    return None


def _chain(graph: Any, source: Any, sink: Any, mixer: str | None, rate: int) -> None:
    """Link what makes mono at `rate` of the source's frames.

    The weights of the channels add up to 1 at most: FFmpeg's own for float samples make a sound that is in all of
    them louder than it is, and clip.
    """
    links = [source]
    if mixer is not None:
        links.append(graph.add(_filter("pan"), mixer))
    mono = {"osr": str(rate), "osf": "flt", "ochl": "mono", "rematrix_maxval": "1"}
    links += [graph.add(_filter("aresample"), **mono), sink]
    for before, after in pairwise(links):
        before.link_to(after)


class _Resampler:
    """Frames like the first one -> mono float32 at `rate`, in blocks.

    As PyAV's own, which asks after each frame for a block that is not there yet, and so raises an error a frame.
    """

    def __init__(self, frame: Any, rate: int) -> None:
        self._kind = self._kind_of(frame)
        graph = av.filter.Graph()
        base = {"time_base": str(frame.time_base)} if frame.time_base is not None else {}
        sample_rate, sample_fmt, layout = map(str, self._kind)
        self._source = graph.add(
            _filter("abuffer"), sample_rate=sample_rate, sample_fmt=sample_fmt, channel_layout=layout, **base
        )
        self._sink = graph.add(_filter("abuffersink"))
        _chain(graph, self._source, self._sink, _mixer(layout, frame.layout.nb_channels), rate)
        graph.configure()
        graph.set_audio_frame_size(_RESAMPLED)
        self._graph = graph  # which ends with its last reference
        self._block = _RESAMPLED * frame.sample_rate // rate
        self._waiting = 0

    def takes(self, frame: Any) -> bool:
        """Whether a frame is like the first: broadcasts change their channels between programmes."""
        return self._kind_of(frame) == self._kind

    def resample(self, frame: Any) -> list[np.ndarray]:
        """The blocks that a frame fills, float32 (n,) each."""
        self._source.push(frame)
        self._waiting += frame.samples
        if self._waiting < self._block:
            return []
        self._waiting = 0
        return self._pulled()

    def finish(self) -> list[np.ndarray]:
        """The rest."""
        self._source.push(None)
        return self._pulled()

    def _pulled(self) -> list[np.ndarray]:
        blocks = []
        with suppress(av.BlockingIOError, av.EOFError):
            while True:
                blocks.append(self._sink.pull().to_ndarray()[0])
        return blocks

    @staticmethod
    def _kind_of(frame: Any) -> tuple[int, str, str]:
        return frame.sample_rate, frame.format.name, frame.layout.name


def align(sound: Sound, segment: Segment) -> AlignedSound | None:
    """Cut a segment's sound, padded with zeros; None when the source has no sound within the segment."""
    rate = sound.sample_rate
    length = round(segment.duration_s * rate)
    offset = round((segment.start_s - sound.start_s) * rate)  # of frame 0, in samples of the source
    first, last = max(offset, 0), min(offset + length, len(sound.samples))
    if first >= last:
        return None
    samples = np.zeros(length, np.float32)
    samples[first - offset : last - offset] = sound.samples[first:last]
    return AlignedSound(samples, (first - offset) / rate, (last - offset) / rate)


def rms_db(sound: AlignedSound, sample_rate: int) -> float:
    """Level of the valid part, decibels relative to full scale, at least `SILENCE_DB`."""
    first, last = round(sound.valid_start_s * sample_rate), round(sound.valid_end_s * sample_rate)
    power = float(np.mean(np.square(sound.samples[first:last], dtype=np.float64)))
    return max(10 * math.log10(power), SILENCE_DB) if power > 0 else SILENCE_DB


def encode_flac(samples: np.ndarray, sample_rate: int) -> bytes:
    """Mono float32 (n,) in -1..1 (clipped beyond) as FLAC with 16 bits a sample."""
    buffer = io.BytesIO()
    clipped = np.clip(samples, -1.0, 1.0)
    soundfile.write(buffer, clipped, sample_rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()
