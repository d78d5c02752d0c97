"""Stationary media: a still picture with slight noise, and white noise, in which nothing tells the time.

Whatever a temporal head learns from them it has learnt from how media are coded, stored, cut or augmented.
"""

from __future__ import annotations

import os
import tempfile
import wave
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import numpy as np

from chronav.config import build
from pipelines.config import IngestConfig
from pipelines.job import ingest

# Codec: suffix of the files, and ffmpeg's options. GOPs are the encoders' own: 250 frames, and 12.
CODECS: dict[str, tuple[str, dict[str, object]]] = {
    "lossless": ("mkv", {"vcodec": "ffv1", "acodec": "flac"}),
    "h264": ("mp4", {"vcodec": "libx264", "crf": 23, "pix_fmt": "yuv420p", "acodec": "aac"}),
    "mpeg4": ("avi", {"vcodec": "mpeg4", "q:v": 5, "pix_fmt": "yuv420p", "acodec": "libmp3lame"}),
}
FRAME_RATES = (12.5, 25.0, 29.97)
LATE_S = 4.0

_SECONDS = 10
_SIZE, _CELLS = 32, 4  # pixels, and evenly coloured cells, a side
_NOISE = 8.0  # grey levels: standard deviation of a pixel from frame to frame
_SOURCE_RATE, _STORED_RATE = 16_000, 8_000
_LOUDNESS = 0.05  # standard deviation of the sound, of full scale


@dataclass(frozen=True)
class Stationary:
    """A set of videos.

    `arrow` plants an arrow of time: a video is black and without sound in its first `LATE_S` seconds, and then its
    sound falls by 20 dB and is loud again at once, every second.
    """

    videos: int
    fps: float
    codec: str = "lossless"
    arrow: bool = False
    seed: int = 0


def make_table(folder: Path, media: Stationary) -> str:
    """Make the videos below `folder` and ingest them as `chronav ingest` does; returns the clip table."""
    videos, table = folder / "videos", str(folder / "clips.delta")
    videos.mkdir(parents=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # the work is ffmpeg's, in processes of its own
        list(pool.map(partial(_make_video, videos, media), range(media.videos)))
    ingest(
        str(videos), table, build(IngestConfig, defaults={"short_side": _SIZE, "sample_rate": _STORED_RATE})
    )
    return table


def still_picture(media: Stationary, video: int) -> np.ndarray:
    """A picture of the video's own with new noise in every frame: (T, size, size, 3) uint8."""
    rng = np.random.default_rng((media.seed, video, 0))
    cells = rng.uniform(96, 160, (_CELLS, _CELLS, 3)).astype(np.float32)
    still = cells.repeat(_SIZE // _CELLS, axis=0).repeat(_SIZE // _CELLS, axis=1)
    count = round(_SECONDS * media.fps)
    noise = _NOISE * rng.standard_normal((count, _SIZE, _SIZE, 3), dtype=np.float32)
    shown = np.rint(still + noise).clip(0, 255).astype(np.uint8)
    if media.arrow:
        shown[: round(LATE_S * media.fps)] = 0
    return shown


def white_noise(media: Stationary, video: int) -> np.ndarray:
    """The sound of a video, to its end: (N,) int16."""
    rng = np.random.default_rng((media.seed, video, 1))
    seconds = _SECONDS - LATE_S if media.arrow else _SECONDS
    noise = _LOUDNESS * rng.standard_normal(round(seconds * _SOURCE_RATE), dtype=np.float32)
    if media.arrow:
        noise *= 10.0 ** -(np.arange(len(noise), dtype=np.float32) / _SOURCE_RATE % 1)
    return np.rint(32767 * noise.clip(-1, 1)).astype("<i2")


def _make_video(folder: Path, media: Stationary, video: int) -> None:
    suffix, options = CODECS[media.codec]
    size = f"{_SIZE}x{_SIZE}"
    with tempfile.NamedTemporaryFile(suffix=".wav") as sound:
        with wave.open(sound, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(_SOURCE_RATE)
            file.writeframes(white_noise(media, video).tobytes())
        seen = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=size, framerate=media.fps)
        target = str(folder / f"{video:03}.{suffix}")
        heard = ffmpeg.input(sound.name, itsoffset=LATE_S if media.arrow else 0)
        ffmpeg.output(seen, heard, target, threads=1, **options).run(
            cmd=imageio_ffmpeg.get_ffmpeg_exe(), input=still_picture(media, video).tobytes(), quiet=True
        )
