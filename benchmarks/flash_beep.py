"""Media in which a flash and a beep begin together at random instants, made in every odd way that there is.

Flash: all frames whose time stamps lie from the instant on. The beep begins at the instant itself.
"""

from __future__ import annotations

import io
import subprocess
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import simplejpeg
import soundfile

ON_S = 0.3
_STEP_S = (0.55, 0.7)  # from one instant to the next
_RATE = 44_100


@dataclass(frozen=True)
class Case:
    """How a file is made.

    `fps`: of the frames that are made; `picture`: filters after which the flash is as it was; `options`: of the
    encoder; `remux`: options of a second call that copies the streams, `before` and after the input; `spoken`: from
    and to when there is sound, seconds, None for the end; `picture_from_s`: when the video starts; `channels` of
    the sound, of which only the last beeps; `decoy`: a first, non-default sound stream beeps at other instants.
    """

    suffix: str = "mp4"
    fps: float = 25.0
    picture: str = "null"
    options: Sequence[str] = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac")
    before: Sequence[str] = ()
    remux: Sequence[str] | None = None
    size: str = "64x48"
    spoken: tuple[float, float | None] = (0.0, None)
    picture_from_s: float = 0.0
    picture_to_s: float | None = None
    channels: int = 1
    decoy: bool = False
    gap_s: float | None = None

    @property
    def longest_gap_s(self) -> float:
        """The longest time from frame to frame in the source, seconds."""
        return self.gap_s if self.gap_s is not None else 1 / self.fps


def _codecs(video: str, sound: str, *more: str) -> tuple[str, ...]:
    return ("-c:v", video, "-pix_fmt", "yuv420p", "-c:a", sound, *more)


# 50 frames a second of which these remain: 20 to 80 ms from one to the next.
_VARIABLE = "select='lt(mod(n*n,7),2)+not(mod(n,3))'"

CASES: dict[str, Case] = {
    "MP4, H.264 25 fps, AAC": Case(),
    "29.97 fps": Case(fps=30000 / 1001),
    "60 fps": Case(fps=60.0),
    "10 fps, fewer than are stored": Case(fps=10.0),
    "sound starts 0.7 s after the picture": Case(spoken=(0.7, None)),
    "sound starts 0.7 s after, Matroska": Case("mkv", spoken=(0.7, None)),
    "sound starts 0.7 s after, MPEG-TS": Case("ts", spoken=(0.7, None)),
    "picture starts 0.5 s after the sound": Case(picture_from_s=0.5),
    "picture starts 0.5 s after, Matroska": Case("mkv", picture_from_s=0.5),
    "picture starts 0.5 s after, MPEG-TS": Case("ts", picture_from_s=0.5),
    "edit list that hides the first frames": Case(before=("-ss", "1.3"), remux=()),
    "edit list that delays the picture": Case(picture_from_s=1.13, options=_codecs("libx264", "aac", "-bf", "3")),
    "fragmented MP4": Case(options=_codecs("libx264", "aac", "-movflags", "+frag_keyframe+empty_moov")),
    "variable frame rate, MP4": Case(fps=50.0, picture=_VARIABLE, gap_s=0.06),
    "variable frame rate, Matroska": Case("mkv", fps=50.0, picture=_VARIABLE, gap_s=0.06),
    "sound ends 9 s before the picture": Case(spoken=(0.0, -9.0)),
    "sound lasts 9 s longer than the picture": Case(picture_to_s=-9.0),
    "rotated by 90 degrees": Case(before=("-display_rotation", "90"), remux=()),
    "odd size, 97 x 71": Case(size="97x71", options=("-c:v", "libx264", "-pix_fmt", "yuv444p", "-c:a", "aac")),
    "pixels 16:11": Case(picture="setsar=16/11"),
    "10 bits, H.265": Case(
        options=("-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none", "-c:a", "aac")
    ),
    "interlaced": Case(
        fps=50.0, picture="tinterlace=interleave_top", gap_s=0.04,
        options=_codecs("libx264", "aac", "-flags", "+ildct+ilme", "-x264-params", "tff=1"),
    ),
    "6 channels, AAC": Case(channels=6),
    "8 channels, FLAC": Case("mkv", channels=8, options=_codecs("libx264", "flac")),
    "two sounds, the second is the default": Case(decoy=True),
    "AVI, MPEG-4, PCM": Case("avi", options=_codecs("mpeg4", "pcm_s16le", "-q:v", "3")),
    "MOV, H.264, PCM": Case("mov", options=_codecs("libx264", "pcm_s16le")),
    "WebM, VP9, Opus": Case("webm", options=_codecs("libvpx-vp9", "libopus", "-cpu-used", "8")),
    "MPEG-TS, MPEG-2, MP2": Case("ts", options=_codecs("mpeg2video", "mp2", "-q:v", "3")),
    "MP4, MP3 in it": Case(options=_codecs("libx264", "libmp3lame")),
}  # fmt: skip


@dataclass(frozen=True)
class Errors:
    """By how much the flash comes after the beep in what is stored, float64 (n,), seconds, and the limit of one."""

    seconds: np.ndarray
    limit_s: float

    @property
    def largest_s(self) -> float:
        """The largest error, without its sign."""
        return float(np.abs(self.seconds).max())

    @property
    def mean_s(self) -> float:
        """The mean error: what all share."""
        return float(self.seconds.mean())


def random_instants(rng: np.random.Generator, count: int) -> np.ndarray:
    """Ascending instants, float64 (count,), seconds, from about 2 s on."""
    return np.round(2.0 + np.cumsum(rng.uniform(*_STEP_S, count)), 4)


def make(path: Path, case: Case, instants: np.ndarray) -> Path:
    """Write the file `path`, which gets the suffix of the case."""
    path = path.with_suffix(f".{case.suffix}")
    end_s = float(instants[-1]) + 2.0
    picture_end_s = end_s + 9.0 if case.spoken[1] is not None else end_s
    sound_end_s = end_s + 9.0 if case.picture_to_s is not None else end_s
    picture = (
        f"color=black:s={case.size}:r={case.fps}:d={picture_end_s},format=yuv420p,{_boxes(instants)},"
        f"trim=start={case.picture_from_s},setpts=PTS-STARTPTS,{case.picture}"
    )
    wav = path.with_suffix(".wav")
    _write_wav(wav, instants, case.spoken[0], sound_end_s, case.channels)
    late = str(case.picture_from_s)
    inputs = [
        "-itsoffset",
        late,
        "-f",
        "lavfi",
        "-i",
        picture,
        "-itsoffset",
        str(case.spoken[0]),
        "-i",
        str(wav),
    ]
    chosen = ["-map", "0:v", "-map", "1:a"]
    if case.decoy:
        other = path.with_suffix(".decoy.wav")
        _write_wav(other, instants[:-1] + 0.4, 0.0, sound_end_s, 1)
        inputs += ["-i", str(other)]
        chosen = [
            "-map",
            "0:v",
            "-map",
            "2:a",
            "-map",
            "1:a",
            "-disposition:a:0",
            "0",
            "-disposition:a:1",
            "default",
        ]
    made = path.with_stem(f"{path.stem}-first") if case.remux is not None else path
    _ffmpeg(*inputs, *chosen, "-fps_mode", "passthrough", *case.options, str(made))
    if case.remux is not None:
        _ffmpeg(*case.before, "-i", str(made), "-c", "copy", *case.remux, str(path))
    return path


def measure(rows: Sequence[dict[str, Any]], case: Case) -> Errors:
    """Compare flashes and beeps in the segments of one file."""
    flashes = np.concatenate([_flashes(row) for row in rows])
    beeps = np.concatenate([_beeps(row) for row in rows if row["audio"] is not None])
    nearest = flashes[np.abs(flashes[None] - beeps[:, None]).argmin(axis=1)]
    errors = nearest - beeps
    stored_s = 1 / rows[0]["fps"]
    return Errors(errors[np.abs(errors) < _STEP_S[0] / 2], (stored_s + case.longest_gap_s) / 2)


def _flashes(row: dict[str, Any]) -> np.ndarray:
    """When the stored picture turns bright: between the last dark frame and the first bright one."""
    light = np.array([simplejpeg.decode_jpeg(data, colorspace="GRAY").mean() for data in row["frames"]])
    bright = light > 190  # an interlaced frame of which one half is lit is not yet
    return row["start_s"] + (np.flatnonzero(~bright[:-1] & bright[1:]) + 0.5) / row["fps"]


def _beeps(row: dict[str, Any]) -> np.ndarray:
    """When the stored sound sets in after a silence."""
    samples, rate = soundfile.read(io.BytesIO(row["audio"]), dtype="float32")
    loud = np.flatnonzero(np.abs(samples) > 0.5 * np.abs(samples).max())
    begins = np.diff(loud, prepend=-rate) > 0.1 * rate
    return row["start_s"] + loud[begins & (loud > 0.05 * rate)] / rate


def _boxes(instants: np.ndarray) -> str:
    """Filters that brighten the picture; ffmpeg takes expressions of no more than some dozen terms."""
    parts = np.array_split(instants, -(-len(instants) // 40))
    terms = ["+".join(f"between(t,{at:.4f},{at + ON_S:.4f})" for at in part) for part in parts]
    return ",".join(f"drawbox=color=white:t=fill:enable='{lit}'" for lit in terms)


def _write_wav(path: Path, instants: np.ndarray, from_s: float, to_s: float, channels: int) -> None:
    time = from_s + np.arange(round((to_s - from_s) * _RATE)) / _RATE
    on = np.zeros(len(time), bool)
    for at in instants:
        on |= (time >= at) & (time < at + ON_S)
    samples = np.zeros((len(time), channels))
    samples[:, -1] = np.where(on, 0.8 * np.sin(2 * np.pi * 1000 * time), 0.0)
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, _RATE, len(time), "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def _ffmpeg(*args: str) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *args]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
