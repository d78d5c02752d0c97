"""Damaged media for `benchmarks.fuzz`: good files, ways to damage their bytes, and which frames are wrong then."""

from __future__ import annotations

import io
import random
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
import simplejpeg

SIZE = (160, 120)
SECONDS = 4
# Name: suffix of the file, and ffmpeg's options. Key frames every second, so that there is a whole part after damage.
FORMATS: dict[str, tuple[str, tuple[str, ...]]] = {
    "MP4, H.264, AAC": ("mp4", ("-c:v", "libx264", "-g", "25", "-c:a", "aac")),
    "MP4, index first, H.264, AAC": (
        "mp4", ("-c:v", "libx264", "-g", "25", "-c:a", "aac", "-movflags", "+faststart"),
    ),
    "Matroska, H.264, AAC": ("mkv", ("-c:v", "libx264", "-g", "25", "-c:a", "aac")),
    "MPEG-TS, H.264, AAC": ("ts", ("-c:v", "libx264", "-g", "25", "-c:a", "aac")),
    "AVI, MPEG-4, MP3": ("avi", ("-c:v", "mpeg4", "-vtag", "xvid", "-q:v", "4", "-c:a", "libmp3lame")),
    "MPEG-PS, MPEG-1, MP2": ("mpg", ("-c:v", "mpeg1video", "-q:v", "4", "-c:a", "mp2")),
    "MP4, H.265, AAC": (
        "mp4", ("-c:v", "libx265", "-g", "25", "-x265-params", "log-level=none", "-c:a", "aac"),
    ),
    "MP4, H.265 with picture hashes, AAC": (
        "mp4", ("-c:v", "libx265", "-g", "25", "-x265-params", "log-level=none:hash=1", "-c:a", "aac"),
    ),
    "WebM, VP9, Opus": ("webm", ("-c:v", "libvpx-vp9", "-cpu-used", "8", "-g", "25", "-c:a", "libopus")),
}  # fmt: skip
_CELLS = 8  # a side: the picture is compared by the means of so many cells
_WRONG = 24.0  # grey levels by which a cell differs, beyond what scaling and JPEG do to it


def make_good(path: Path, options: Sequence[str], zoom: float) -> Path:
    """A moving picture with a tone; another `zoom`, another picture."""
    width, height = SIZE
    picture = f"mandelbrot=s={width}x{height}:r=25:start_scale={zoom}:end_scale=0.1"
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "lavfi", "-i", picture,
        "-f", "lavfi", "-i", "sine=f=440:r=44100", "-t", str(SECONDS), "-pix_fmt", "yuv420p", *options, str(path),
    ]  # fmt: skip
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def flip(good: bytes, _: bytes, rng: random.Random) -> bytes:
    """1 to 64 bits flipped, anywhere."""
    data = bytearray(good)
    for _bit in range(2 ** rng.randrange(7)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def overwrite(good: bytes, _: bytes, rng: random.Random) -> bytes:
    """A block of 16 to 4096 bytes of zeros or of noise."""
    length = 2 ** rng.randrange(4, 13)
    at = rng.randrange(len(good) - length)
    return good[:at] + (bytes(length) if rng.random() < 0.5 else rng.randbytes(length)) + good[at + length :]


def cut(good: bytes, _: bytes, rng: random.Random) -> bytes:
    """The end is missing, or a piece from within."""
    at = rng.randrange(len(good))
    if rng.random() < 0.5:
        return good[:at]
    return good[:at] + good[at + 2 ** rng.randrange(15) :]


def splice(good: bytes, other: bytes, rng: random.Random) -> bytes:
    """The rest is that of another file, or a piece of the other has got in."""
    at, there = rng.randrange(len(good)), rng.randrange(len(other))
    if rng.random() < 0.5:
        return good[:at] + other[there:]
    length = 2 ** rng.randrange(15)
    rest = at if rng.random() < 0.5 else at + length
    return good[:at] + other[there : there + length] + good[rest:]


DAMAGES: dict[str, Callable[[bytes, bytes, random.Random], bytes]] = {
    "flip": flip,
    "overwrite": overwrite,
    "cut": cut,
    "splice": splice,
}


@dataclass(frozen=True)
class Original:
    """What a good file shows: `times` float64 (n,), `cells` float32 (n, cells, cells) in grey levels."""

    times: np.ndarray
    cells: np.ndarray


def read_original(path: Path) -> Original:
    """Decode all of a good file, with PyAV alone."""
    with av.open(io.BytesIO(path.read_bytes()), metadata_errors="ignore") as container:
        frames = [
            (frame.time, _cells(frame.to_ndarray(format="gray"))) for frame in container.decode(video=0)
        ]
    frames.sort(key=lambda pair: pair[0])
    return Original(np.array([time for time, _ in frames]), np.stack([cells for _, cells in frames]))


def wrong_frames(rows: Sequence[Mapping[str, Any]], original: Original) -> int:
    """How many stored frames show something else than the original does at their time, or one frame from it."""
    wrong = 0
    for row in rows:
        for k, data in enumerate(row["frames"]):
            picture = simplejpeg.decode_jpeg(data, colorspace="GRAY")[..., 0]
            near = np.abs(original.times - (row["start_s"] + k / row["fps"])).argsort()[:3]
            differences = np.abs(original.cells[near] - _cells(picture)).max(axis=(1, 2))
            wrong += bool(differences.min() > _WRONG)
    return wrong


def _cells(grey: np.ndarray) -> np.ndarray:
    """Means of the cells of a picture uint8 (h, w): float32 (cells, cells)."""
    rows = np.array_split(grey.astype(np.float32), _CELLS, axis=0)
    return np.array(
        [[part.mean() for part in np.array_split(row, _CELLS, axis=1)] for row in rows], np.float32
    )


def decoder_complains(path: Path) -> bool:
    """Whether the strictest decoding that FFmpeg has finds anything wrong with the video of a file."""
    strict = ["-err_detect", "crccheck+bitstream+buffer+careful+compliant+aggressive"]
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        *strict,
        "-i",
        str(path),
        "-map",
        "0:v",
        "-f",
        "null",
        "-",
    ]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
    return bool(done.stderr) or done.returncode != 0
