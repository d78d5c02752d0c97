"""Segments whose frame t shows the number t and whose sound encodes t, so that labels can be read back from media."""

from __future__ import annotations

import io
import math
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import simplejpeg
import soundfile
from deltalake import write_deltalake
from torch import Tensor

from chronav.config import build
from pipelines.schema import CLIP_SCHEMA
from trainer import recipes
from trainer.config import PretrainConfig
from trainer.losses.contrastive import Usual
from trainer.losses.extras import Extras

FPS, RATE = 16.0, 3200  # at 3,200 Hz ten seconds of a ramp 0, 1, 2, … fit 16-bit samples
BASE, LEVEL, COLUMN = 8, 16, 16  # digits, one a colour channel; levels between them; pixels


def number_picture(number: int, height: int = 24, width: int = 80) -> np.ndarray:
    """A picture of a number below 512: columns of a dark colour and of its complement in turns.

    Any part of it can be read, and it has the contrast that networks want.
    """
    digits = np.array([number, number // BASE, number // BASE**2]) % BASE
    dark = digits * LEVEL + LEVEL // 2
    inverse = (np.arange(width) // COLUMN % 2)[:, None]
    return np.tile(np.where(inverse, 255 - dark, dark).astype(np.uint8), (height, 1, 1))


def read_number(picture: np.ndarray) -> int:
    """The number that a picture, or a part of it, shows."""
    dark = np.where(picture > 127, 255 - picture, picture)
    return int(np.median(dark, axis=(0, 1)) // LEVEL @ [1, BASE, BASE**2])


def row(video: int, seconds: float = 10.0, sound: bool = True, **changes: Any) -> dict[str, Any]:
    """One segment; `changes` overwrite columns."""
    n = round(seconds * FPS)
    values: dict[str, Any] = dict.fromkeys(CLIP_SCHEMA.names)
    values |= {
        "clip_id": f"video{video}:0",
        "video_id": f"video{video}",
        "label": f"class{video % 4}",
        "group": f"group{video // 2}",
        "splits": {"toy/1": "test" if video % 5 == 0 else "train"},
        "duration_s": seconds,
        "fps": FPS,
        "source_fps": 25.0,
        "height": 24,
        "width": 80,
        "n_frames": n,
        "frames": [simplejpeg.encode_jpeg(number_picture(t), quality=85) for t in range(n)],
        "source_uri": f"video{video}.mp4",
        "ingested_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    if sound:
        buffer = io.BytesIO()
        soundfile.write(buffer, np.arange(round(seconds * RATE)).astype(np.int16), RATE, format="FLAC")
        values |= {"audio": buffer.getvalue(), "audio_valid_start_s": 0.0, "audio_valid_end_s": seconds}
    return values | changes


def write_table(path: Path, rows: list[dict[str, Any]], rows_a_file: int = 4) -> str:
    """Rows as a clip table of several files."""
    for i in range(0, len(rows), rows_a_file):
        part = pa.Table.from_pylist(rows[i : i + rows_a_file], schema=CLIP_SCHEMA)
        write_deltalake(path, part, mode="append")
    return str(path)


def toy_config(*overrides: str) -> PretrainConfig:
    """The tiny recipe, smaller still."""
    base = [
        "batch_size=8",
        "steps=6",
        "warmup_steps=2",
        "log_every=2",
        "checkpoint_every=3",
        "heldout_every=6",
        "heldout_fraction=0.2",
        "window_row_groups=2",
        "video.width=8",
        "video.stages=2",
        "video.size=16",
        "audio.width=8",
        "audio.blocks=[1, 1]",
        "audio.n_mels=16",
        "audio.f_max=1400.0",
        "projection_hidden=16",
        "projection_dim=8",
        "head_hidden=16",
        "threads=1",
        "loss.n_positives=1",
        "loss.n_negatives=4096",
    ]
    return build(PretrainConfig, overrides=[*base, *overrides], defaults=recipes.get("tiny"))


def slow_with_extras(usual: Usual, tau: float, bank: Tensor, extras: Extras) -> float:
    """The contrastive loss by the formula of section 4, term by term in float64: the mean over the queries."""
    losses = []
    for i in range(len(usual.query)):
        e = lambda key, q=usual.query[i].double(): math.exp(float(q @ key.double()) / tau)  # noqa: E731
        rest = sum(
            e(k) for k, v in zip(usual.keys, usual.key_video, strict=True) if int(v) != int(usual.video[i])
        )
        rest += sum(e(bank[j]) for j in range(len(bank)) if extras.negative[i, j])
        positives = [usual.positive[i]]
        for p, has in zip(extras.positive[i], extras.has_positive[i], strict=True):
            positives += [bank[p]] if has else []
        losses.append(-sum(math.log(e(p) / (e(p) + rest)) for p in positives) / len(positives))
    return float(np.mean(losses))


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    """The functions above, for test modules (which import mode `importlib` keeps from importing them)."""
    return SimpleNamespace(
        fps=FPS,
        rate=RATE,
        row=row,
        write_table=write_table,
        toy_config=toy_config,
        read_number=read_number,
        number_picture=number_picture,
        slow_with_extras=slow_with_extras,
    )


@pytest.fixture(scope="session")
def number_table(tmp_path_factory: pytest.TempPathFactory) -> str:
    """20 videos of 10 s; every third without sound."""
    rows = [row(i, sound=i % 3 != 0) for i in range(20)]
    return write_table(tmp_path_factory.mktemp("numbers") / "T", rows)
