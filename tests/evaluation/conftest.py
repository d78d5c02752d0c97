"""A tiny clip table, written straight from the schema, and a tiny real export."""

from __future__ import annotations

import io
from collections.abc import Iterator
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
from threadpoolctl import threadpool_limits

from pipelines.schema import CLIP_SCHEMA

FPS, RATE, N_FRAMES = 16.0, 16_000, 24
COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}
TONES = {"red": 300.0, "green": 900.0, "blue": 2400.0}


def clip_row(video_id: str, index: int = 0, **values: Any) -> dict[str, Any]:
    """A row with all columns; media and what differs are given."""
    row: dict[str, Any] = dict.fromkeys(CLIP_SCHEMA.names)
    row |= {
        "clip_id": f"{video_id}:{index}",
        "video_id": video_id,
        "dataset": "ucf101",
        "start_s": index * N_FRAMES / FPS,
        "duration_s": N_FRAMES / FPS,
        "fps": FPS,
        "n_frames": 0,
        "source_uri": f"/media/{video_id}.avi",
        "ingested_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return row | values


def jpegs(rng: np.random.Generator, colour: tuple[int, int, int], n: int = N_FRAMES) -> list[bytes]:
    frames = np.array(colour) + rng.integers(-30, 30, size=(n, 32, 40, 3))
    return [simplejpeg.encode_jpeg(np.clip(f, 0, 255).astype(np.uint8), quality=85) for f in frames]


def flac(rng: np.random.Generator, tone_hz: float, seconds: float = N_FRAMES / FPS) -> bytes:
    t = np.arange(round(seconds * RATE)) / RATE
    wave = 0.4 * np.sin(2 * np.pi * tone_hz * t + rng.uniform(0, 6)) + 0.01 * rng.normal(size=t.size)
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, RATE, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def media(rng: np.random.Generator, label: str) -> dict[str, Any]:
    return {
        "n_frames": N_FRAMES,
        "frames": jpegs(rng, COLOURS[label]),
        "height": 32,
        "width": 40,
        "audio": flac(rng, TONES[label]),
        "audio_valid_start_s": 0.0,
        "audio_valid_end_s": N_FRAMES / FPS,
    }


def write_table(path: Path, rows: list[dict[str, Any]], commits: int = 1) -> str:
    """Rows as a clip table; more commits give more files."""
    for part in np.array_split(np.arange(len(rows)), commits):
        write_deltalake(
            path, pa.Table.from_pylist([rows[i] for i in part], schema=CLIP_SCHEMA), mode="append"
        )
    return str(path)


def colour_rows(seed: int = 0) -> list[dict[str, Any]]:
    """Three classes told apart by colour and by tone; 4 training and 3 test videos each, two segments a video."""
    rng = np.random.default_rng(seed)
    rows = []
    for label in COLOURS:
        for number in range(7):
            side = "train" if number < 4 else "test"
            about = {
                "label": label,
                "group": f"{label}_g{number:02d}",
                "splits": {"ucf101/1": side, "ucf101/2": "train"},
            }
            rows += [clip_row(f"v_{label}_g{number:02d}", i, **about, **media(rng, label)) for i in range(2)]
    return rows


@pytest.fixture(scope="session")
def colour_table(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_table(tmp_path_factory.mktemp("tables") / "colours", colour_rows(), commits=3)


def esc50_rows(seed: int = 0) -> list[dict[str, Any]]:
    """The layout of ESC-50: five folds of two recordings a class; two classes are of ESC-10, the third is not."""
    rng = np.random.default_rng(seed)
    return [
        clip_row(
            f"{fold}-{number}-{label}",
            dataset="esc50",
            label=label,
            group=f"source{fold}{number}",
            splits={"esc50/fold": str(fold)} | ({} if label == "green" else {"esc50/esc10": "true"}),
            audio=flac(rng, hz),
            audio_valid_start_s=0.0,
            audio_valid_end_s=N_FRAMES / FPS,
        )
        for fold in range(1, 6)
        for number in range(2)
        for label, hz in TONES.items()
    ]


@pytest.fixture(scope="session")
def esc50_table(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_table(tmp_path_factory.mktemp("tables") / "esc50", esc50_rows(), commits=2)


def make_export(
    path: Path,
    seen: tuple[str, ...] = (),
    files: dict[str, str] | None = None,
    changes: tuple[str, ...] = (),
    **overrides: Any,
) -> str:
    """A real export of the recipe `tiny` with changes to it, untrained; `overrides` are of what is said of it."""
    import torch

    from chronav.config import build
    from trainer import recipes
    from trainer.config import PretrainConfig
    from trainer.export import ExportConfig, ExportedTable, write_export
    from trainer.model import AudioVisualModel

    config = build(PretrainConfig, overrides=changes, defaults=recipes.get("tiny"))
    torch.manual_seed(1)
    about: dict[str, Any] = {
        "video": config.video,
        "audio": config.audio,
        "norm": config.norm,
        "fps": FPS,
        "sample_rate": RATE,
        "short_side": 32,
        "recipe": "tiny",
        "steps": 0,
        "seed": 0,
        "tables": (ExportedTable(path="/nowhere", version=0),),
        "mlflow_run_id": "0123abcd",
    }
    write_export(
        str(path),
        AudioVisualModel(config),
        ExportConfig(**(about | overrides)),
        dict.fromkeys(seen) | (files or {}),
        joint=True,
    )
    return str(path)


@pytest.fixture(scope="session")
def tiny_export(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_export(tmp_path_factory.mktemp("exports") / "tiny", seen=("v_red_g00",))


@pytest.fixture
def one_blas_thread() -> Iterator[None]:
    """Small fits on a busy machine are quicker so."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    """What tests build tables and exports of (test modules cannot import one another)."""
    return SimpleNamespace(
        clip_row=clip_row,
        jpegs=jpegs,
        flac=flac,
        media=media,
        write_table=write_table,
        colour_rows=colour_rows,
        esc50_rows=esc50_rows,
        make_export=make_export,
        rate=RATE,
        fps=FPS,
        n_frames=N_FRAMES,
    )
