"""All paths from files to batches give the same windows, and the table says who is best."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import torch

from benchmarks import input_paths
from benchmarks.contest import Contestant, Cost, costed
from benchmarks.input_paths import FLOOR, IN_PROCESS, OURS, PATHS, Setup
from benchmarks.media import Stored
from benchmarks.train_input import best_peer, prepare, table_of, verdict_of
from trainer.batch import Batch, collate


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    stored = Stored(height=24, width=32, sample_rate=8000)
    return prepare(tmp_path_factory.mktemp("input"), "tiny", stored, rows=16)


def digests(batch: Batch) -> dict[int, str]:
    """Sample index -> what is in it, whatever its place in the batch."""
    clips = {int(row): wave for _, waves, rows in batch.waves for row, wave in zip(rows, waves, strict=True)}
    found = {}
    for i, index in enumerate(batch.index.tolist()):
        parts: list[torch.Tensor] = [batch.key[i], batch.target[i], batch.order[i]]
        for row in batch.video_row[i].tolist():
            height, width = batch.sizes[row].tolist()  # the canvas is as large as its largest picture
            picture = batch.frames[row, :, :height, :width]
            parts += [picture, batch.sizes[row], batch.video_params[row], batch.video.speed[row]]
        for row in batch.audio_row[i].tolist():
            parts += [clips[row], batch.audio_params[row], batch.audio.backward[row]]
        joined = b"".join(part.numpy().tobytes() for part in parts)
        found[index] = hashlib.sha256(joined).hexdigest()
    return found


def passed(name: str, setup: Setup) -> dict[int, str]:
    found: dict[int, str] = {}
    with PATHS[name](setup) as passes:
        for batch in passes():
            batch = batch if isinstance(batch, Batch) else collate(list(batch), setup.config)
            found |= digests(batch)
    return found


@pytest.fixture(scope="module")
def wanted(setup: Setup) -> dict[int, str]:
    found = passed("chronav in process", setup)
    assert sorted(found) == list(range(setup.config.steps * setup.config.batch_size))
    assert len(set(found.values())) == len(found)
    return found


@pytest.mark.parametrize("name", [n for n in PATHS if n not in ("chronav in process", OURS)])
def test_every_path_yields_the_same_samples(name: str, setup: Setup, wanted: dict[int, str]):
    assert passed(name, setup) == wanted


def test_ray_data_yields_the_same_samples(
    setup: Setup, wanted: dict[int, str], ray_local: None, monkeypatch: pytest.MonkeyPatch
):
    @contextmanager
    def shared() -> Iterator[None]:
        yield

    monkeypatch.setattr(input_paths, "one_core_ray", shared)  # the test session has a Ray already
    assert passed(OURS, setup) == wanted


def test_a_contestant_counts_its_samples_and_its_cpu_time(setup: Setup):
    with Contestant(partial(costed, PATHS[FLOOR]), setup) as contestant:
        cost = contestant.run()
    assert cost.samples == setup.config.steps * setup.config.batch_size
    assert cost.cpu_s > 0 and cost.wall_s > 0
    assert cost.idle < 0.1


def test_the_table_compares_with_the_best_peer():
    costs = {
        FLOOR: [Cost(100, 0.5, 1.0, 0.0)] * 3,
        OURS: [Cost(100, 0.8, 1.0, 0.0)] * 3,
        "webdataset in process": [Cost(100, 2.0, 2.0, 0.0)] * 3,
        "litdata in process": [Cost(100, s, 1.0, 0.0) for s in (0.8, 1.0, 1.0)],
        IN_PROCESS: [Cost(100, 0.9, 1.0, 0.0)] * 3,
        "litdata, one worker": [Cost(100, 1.6, 1.0, 0.0)] * 3,
        "webdataset, one worker": [Cost(100, 1.2, 1.0, 0.0)] * 3,
    }
    assert best_peer(costs) == "litdata in process"
    assert best_peer(costs, "worker") == "webdataset, one worker"
    assert "| webdataset in process | 50 (50 to 50) | 0.50 (0.40 to 0.50) | 50 (50 to 50) |" in table_of(
        costs
    )
    assert verdict_of(costs) == (
        "decoding in another process 1.50 of webdataset, one worker; in one process 1.11 of litdata in process; "
        f"{OURS} 1.25 of litdata in process, 0.62 of the floor"
    )
