"""Sound on the time line: decoding by presentation time, cutting in step with frames, FLAC."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
import soundfile

from pipelines.mixing import Resampler
from pipelines.packets import TimeLine
from pipelines.result import one_line
from pipelines.segments import Segment

_GAP_S = 0.03  # time stamps that jump by less than this are rounding and clock drift
_FAR_S = 600.0  # a longer silence between sounds is taken for a fault
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
            self._resampler = Resampler(frame, self.sample_rate)
        self._next_s += frame.samples / frame.sample_rate
        frame.pts = None  # the run has its time already; the resampler must not fill gaps itself
        self._runs[-1][1].extend(self._resampler.resample(frame))

    def _end_run(self) -> None:
        if self._resampler is not None:
            self._runs[-1][1].extend(self._resampler.finish())
            self._resampler = None


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
