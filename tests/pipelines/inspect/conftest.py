"""Clip tables made of known rows, with real pictures and sounds, and no decoder or Ray behind them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import simplejpeg
import soundfile
from deltalake import DeltaTable, write_deltalake

from pipelines.config import IngestConfig
from pipelines.schema import CLIP_SCHEMA, LEDGER_SCHEMA, ledger_path

RATE = 8000
FPS = 8.0
Row = dict[str, Any]


@pytest.fixture(scope="session")
def jpeg() -> Callable[..., bytes]:
    """A grey picture."""

    def make(level: int, height: int = 32, width: int = 48) -> bytes:
        return simplejpeg.encode_jpeg(np.full((height, width, 3), level, np.uint8), 85, "RGB", "420")

    return make


@pytest.fixture(scope="session")
def flac() -> Callable[[np.ndarray], bytes]:
    """Samples as the table stores them."""

    def make(samples: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, RATE, format="FLAC", subtype="PCM_16")
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def clip(jpeg: Callable[..., bytes], flac: Callable[[np.ndarray], bytes]) -> Callable[..., Row]:
    """A row of the clip table: frame k is as grey as 4 k, the sound a tone; `sound=False`: none."""

    def make(clip_id: str, seconds: float = 2.0, sound: bool = True, **changes: Any) -> Row:
        video_id, _, index = clip_id.rpartition(":")
        count = int(seconds * FPS)
        tone = 0.5 * np.sin(np.arange(round(seconds * RATE)) * 0.3)
        row: Row = {
            "clip_id": clip_id,
            "video_id": video_id,
            "dataset": "folder",
            "start_s": int(index) * seconds,
            "duration_s": seconds,
            "fps": FPS,
            "height": 32,
            "width": 48,
            "n_frames": count,
            "source_fps": 25.0,
            "frames": [jpeg(min(4 * k, 255)) for k in range(count)],
            "audio": flac(tone) if sound else None,
            "audio_valid_start_s": 0.0 if sound else None,
            "audio_valid_end_s": seconds if sound else None,
            "audio_rms_db": -9.0 if sound else None,
            "motion": 0.1,
            "source_uri": f"/media/{video_id}",
            "config_hash": "abc",
            "schema_version": 1,
            "ingested_at": datetime(2026, 11, 26, 12, tzinfo=UTC),
        }
        return row | changes

    return make


@pytest.fixture(scope="session")
def make_table() -> Callable[..., str]:
    """Writes a clip table, one data file for each list of rows, and its ledger; gives the path."""

    def make(path: Path, parts: Sequence[Sequence[Row]], files: Sequence[Row] = ()) -> str:
        config = IngestConfig(fps=FPS, sample_rate=RATE, short_side=32).content()
        table = DeltaTable.create(
            str(path),
            CLIP_SCHEMA,
            configuration={"chronav.ingest_config": json.dumps(config)},
            raise_if_key_not_exists=False,
        )
        for rows in parts:
            write_deltalake(table, pa.Table.from_pylist(list(rows), schema=CLIP_SCHEMA), mode="append")
        ledger = DeltaTable.create(ledger_path(str(path)), LEDGER_SCHEMA)
        if files:
            write_deltalake(ledger, pa.Table.from_pylist(list(files), schema=LEDGER_SCHEMA), mode="append")
        return str(path)

    return make


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory, clip: Callable, make_table: Callable) -> str:
    """Three files of media in two parts: `a` in two segments, `b` silent, `c` sound alone; and two bad files."""
    labelled = {"label": "Dot", "group": "g1", "splits": [("ucf101/1", "train"), ("ucf101/2", "test")]}
    parts = [
        [clip("a:0", 3.0, **labelled), clip("b:0", sound=False, label="Line", splits=[("ucf101/1", "test")])],
        [
            clip("a:1", 3.0, **labelled, near_duplicate_of=None),
            clip("c:0", 4.0, n_frames=0, height=0, width=0, frames=[], source_fps=None, motion=None,
                 audio_valid_start_s=1.0, near_duplicate_of="a"),
        ],
    ]  # fmt: skip
    files = [
        {"source_uri": f"/media/{name}", "status": "ok", "size": 100, "clips": clips, "seconds": 0.5}
        for name, clips in (("a", 2), ("b", 1), ("c", 1))
    ]
    files[1] |= {"reason": "truncated", "message": "9 of 10 announced frames are there"}
    files += [
        {"source_uri": f"/media/{n}.txt", "status": "failed", "reason": "unreadable", "message": "<text>",
         "size": 7, "clips": 0, "seconds": 0.0}
        for n in range(5)
    ]  # fmt: skip
    return make_table(tmp_path_factory.mktemp("small") / "clips", parts, files)
