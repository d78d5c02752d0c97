"""A small shard of sounding clips, and a part's work on it."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
import soundfile
import torch

from benchmarks.gpu.settings import SMALL
from benchmarks.gpu.shard import Shard, write_shard
from benchmarks.gpu.work import Findings, Work

FPS, RATE, SECONDS = 16.0, 16_000, 3.0
VIDEOS, HELDOUT = 6, 2


def row(video: int) -> dict[str, Any]:
    """Three seconds of noise, seen and heard; every two videos are of one class."""
    rng = np.random.default_rng(video)
    n = round(SECONDS * FPS)
    frames = rng.integers(0, 256, (n, 24, 32, 3), dtype=np.uint8)
    sound = io.BytesIO()
    soundfile.write(sound, rng.normal(0, 0.1, round(SECONDS * RATE)), RATE, format="FLAC")
    return {
        "clip_id": f"video{video}:0",
        "video_id": f"video{video}",
        "dataset": "noise",
        "label": f"class{video // 2}",
        "group": f"group{video}",
        "fps": FPS,
        "n_frames": n,
        "source_fps": 25.0,
        "audio_valid_start_s": 0.0,
        "audio_valid_end_s": SECONDS,
        "frames": [simplejpeg.encode_jpeg(frame) for frame in frames],
        "audio": sound.getvalue(),
    }


@pytest.fixture(scope="session")
def rows() -> list[dict[str, Any]]:
    return [row(video) for video in range(VIDEOS)]


@pytest.fixture(scope="session")
def shard(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Shard:
    path = tmp_path_factory.mktemp("shard") / "clips.shard"
    marked = [row | {"heldout": number < HELDOUT} for number, row in enumerate(rows)]
    write_shard(path, marked, {"sample_rate": RATE})
    return Shard(path)


@pytest.fixture
def work(shard: Shard, tmp_path: Path) -> Callable[..., Work]:
    """A small part's work on the CPU, after what earlier parts found."""

    def make(earlier: dict[str, Any] | None = None, seconds: float = 1000.0) -> Work:
        deadline = time.monotonic() + seconds
        findings = Findings(tmp_path / "findings.json")
        return Work(torch.device("cpu"), shard, SMALL, True, deadline, findings, earlier or {})

    return make
