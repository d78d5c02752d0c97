"""A generated clip table at a recipe's stored size: textured pictures and coloured noise, at random but fixed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import simplejpeg
import soundfile

from pipelines.commit import Batch, ClipTable
from pipelines.config import IngestConfig
from pipelines.schema import CLIP_SCHEMA
from pipelines.writer import PartWriter

_PAN = 48  # pixels by which the picture travels over its background
_SENSOR_NOISE = 1.5


@dataclass(frozen=True)
class Stored:
    """What a table holds: segments of `seconds`, frames of `height` x `width`."""

    height: int
    width: int
    sample_rate: int
    fps: float = 16.0
    seconds: float = 10.0


def write_clip_table(path: str, stored: Stored, rows: int, rows_a_file: int = 64, seed: int = 0) -> None:
    """Write `rows` segments, one a video, in the row groups and with the Parquet settings of an ingest."""
    short, rate = min(stored.height, stored.width), stored.sample_rate
    table = ClipTable(path, IngestConfig(short_side=short, sample_rate=rate, fps=stored.fps))
    parts = []
    for first in range(0, rows, rows_a_file):
        with PartWriter(table.path) as writer:
            for video in range(first, min(first + rows_a_file, rows)):
                writer.add([segment(video, stored, seed)])
        assert writer.part is not None
        parts.append(writer.part)
    table.commit(Batch("generated", parts), set(), True, "none")


def segment(video: int, stored: Stored, seed: int = 0) -> dict[str, Any]:
    """One row of a clip table."""
    rng = np.random.default_rng((seed, video))
    frames = [simplejpeg.encode_jpeg(picture, quality=85) for picture in pictures(rng, stored)]
    buffer = io.BytesIO()
    soundfile.write(buffer, sound(rng, stored), stored.sample_rate, format="FLAC")
    return dict.fromkeys(CLIP_SCHEMA.names) | {
        "clip_id": f"video{video}:0",
        "video_id": f"video{video}",
        "splits": {},
        "start_s": 0.0,
        "duration_s": stored.seconds,
        "fps": stored.fps,
        "source_fps": 25.0,
        "height": stored.height,
        "width": stored.width,
        "n_frames": len(frames),
        "frames": frames,
        "audio": buffer.getvalue(),
        "audio_valid_start_s": 0.0,
        "audio_valid_end_s": stored.seconds,
        "source_uri": f"video{video}.mp4",
        "ingested_at": datetime(2026, 1, 1, tzinfo=UTC),
    }


def pictures(rng: np.random.Generator, stored: Stored) -> Iterator[np.ndarray]:
    """A textured still that the camera pans over, with sensor noise: (height, width, 3) uint8 each."""
    height, width = stored.height + _PAN, stored.width + _PAN
    still = 128 + 40 * np.stack([_pink(rng, height, width) for _ in range(3)], axis=-1)
    still = 0.75 * still.mean(axis=-1, keepdims=True) + 0.25 * still  # colours of one object are alike
    grain = rng.normal(0, _SENSOR_NOISE, (4, *still.shape[:2], 1))
    count = round(stored.fps * stored.seconds)
    angle = rng.uniform(0, 2 * np.pi)
    for t in range(count):
        phase = 2 * np.pi * t / count + angle
        y, x = (round(_PAN / 2 * (1 + np.sin(phase + shift))) for shift in (0.0, 1.0))
        seen = (slice(y, y + stored.height), slice(x, x + stored.width))
        yield np.clip(still[seen] + grain[t % 4][seen], 0, 255).astype(np.uint8)


def _pink(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A field whose amplitude falls with spatial frequency, as in photographs: unit variance."""
    y, x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    spectrum = np.fft.rfft2(rng.normal(size=(height, width))) / np.maximum(np.hypot(y, x), 1 / height) ** 1.5
    field = np.fft.irfft2(spectrum, (height, width))
    return (field - field.mean()) / field.std()


def sound(rng: np.random.Generator, stored: Stored) -> np.ndarray:
    """A tone in coloured noise: (samples,) int16."""
    n = round(stored.sample_rate * stored.seconds)
    noise = np.convolve(rng.normal(0, 1500, n), np.ones(8) / 8, "same")
    tone = 6000 * np.sin(2 * np.pi * rng.uniform(100, 1000) * np.arange(n) / stored.sample_rate)
    return np.clip(tone + noise, -32768, 32767).astype(np.int16)
