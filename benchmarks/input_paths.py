"""The contestants of `benchmarks.train_input`: ways from files to batches that yield the same windows.

Every one of them makes its samples with the trainer's own `make_sample` and puts them together with its own
`collate`; only reading, shuffling and transport differ.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.contest import Opener, Passes
from benchmarks.peer_files import records
from benchmarks.peer_files import stored_row as peer_row
from pipelines.table import open_table, read_row_group, row_groups
from trainer.batch import Batch, collate
from trainer.config import PretrainConfig
from trainer.input import bundles, decode_pieces, train_batches
from trainer.plan import Piece, Plan, Shape
from trainer.reads import TrainGroup
from trainer.sample import Sample, StoredRow, decode_audio, make_sample

Indices = list[dict[str, list[int]]]
"""For each epoch: clip id -> the global sample indices that the plan gives to it."""
Source = Callable[["Setup", int], Iterable[Any]]
"""A peer's reader: its records in the order of an epoch."""


@dataclass(frozen=True)
class Setup:
    """The same content three times over, and what is to be made of it."""

    table: str
    webdataset: str
    litdata: str
    config: PretrainConfig  # of one lane and one worker; its steps are whole epochs
    sample_rate: int
    shuffle_rows: int  # that a peer shuffles among: about those of the plan's window

    def groups(self) -> list[TrainGroup]:
        """All rows of the table."""
        return [TrainGroup(group, np.arange(group.rows)) for group in row_groups(open_table(self.table))]

    def plan(self) -> Plan:
        """The order of samples."""
        config = self.config
        shape = Shape(config.lanes, config.batch_size, config.window_row_groups, config.samples_per_row)
        return Plan(self.groups(), None, config.seed, shape)

    def pieces(self) -> list[Piece]:
        """What one worker reads."""
        return list(self.plan().pieces(range(1), 0, self.config.steps))

    def indices(self) -> Indices:
        """Which windows of which rows the plan asks for; a sample's windows are drawn by its index."""
        groups = self.groups()
        names = {g.group: read_row_group(g.group, ["clip_id"])["clip_id"].to_pylist() for g in groups}
        epoch = sum(len(g.rows) for g in groups) * self.config.samples_per_row
        asked: Indices = [{} for _ in range(self.config.steps * self.config.batch_size // epoch)]
        for piece in self.pieces():
            for group, row, index in piece.samples.tolist():
                clip = names[piece.groups[group]][row]
                asked[index // epoch].setdefault(clip, []).append(index)
        return asked


def batched(samples: Iterable[Sample | None], config: PretrainConfig) -> Iterator[Batch]:
    """Samples put together as they come."""
    waiting: list[Sample] = []
    for sample in samples:
        if sample is not None:
            waiting.append(sample)
        if len(waiting) == config.batch_size:
            yield collate(waiting, config)
            waiting = []
    if waiting:
        yield collate(waiting, config)


def windows(
    rows: Iterable[StoredRow], indices: dict[str, list[int]], setup: Setup
) -> Iterator[Sample | None]:
    """The samples of one epoch from rows in any order."""
    for row in rows:
        sound = decode_audio(row, setup.sample_rate)
        for index in indices[row.clip_id]:
            yield make_sample(row, sound, index, setup.config, setup.sample_rate)


@contextmanager
def floor(setup: Setup) -> Iterator[Passes]:
    """Decoding alone: the encoded rows lie in memory already, and samples are dropped as soon as they are made."""
    rows = [peer_row(record) for group in setup.groups() for record in records(group.group)]
    indices = setup.indices()

    def passes() -> Iterator[list[Sample | None]]:
        return ([sample] for epoch in indices for sample in windows(rows, epoch, setup))

    yield passes


@contextmanager
def in_process(setup: Setup) -> Iterator[Passes]:
    """The trainer's reading and decoding, called directly."""
    pieces = setup.pieces()

    def passes() -> Iterator[Batch]:
        made = (decode_pieces(job, setup.config, setup.sample_rate) for job in bundles(pieces))
        return batched((sample for job in made for _, sample in job), setup.config)

    yield passes


@contextmanager
def through_ray(setup: Setup) -> Iterator[Passes]:
    """The trainer's input as a run uses it; Ray may use one core for decoding."""
    with one_core_ray():
        plan = setup.plan()

        def passes() -> Iterator[Batch]:
            steps = train_batches(plan, setup.config, setup.sample_rate, 0, 0)
            return (batch for parts in steps for batch in parts)

        yield passes


@contextmanager
def one_core_ray() -> Iterator[None]:
    """A private Ray that runs one task at a time."""
    import logging

    import ray

    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    ray.init(
        address="local",
        num_cpus=1,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    try:
        yield
    finally:
        ray.shutdown()


class PeerWindows(torch.utils.data.IterableDataset):
    """Batches out of a peer's records, epoch after epoch, made where the peer's loader runs it."""

    def __init__(self, source: Source, setup: Setup) -> None:
        self._source, self._setup, self._indices = source, setup, setup.indices()

    def __iter__(self) -> Iterator[Batch]:
        for epoch, asked in enumerate(self._indices):
            rows = (peer_row(record) for record in self._source(self._setup, epoch))
            yield from batched(windows(rows, asked, self._setup), self._setup.config)


def webdataset_records(setup: Setup, seed: int) -> Iterable[dict[str, Any]]:
    """Shards in random order, records shuffled in a buffer."""
    import webdataset

    shards = sorted(str(path) for path in Path(setup.webdataset).glob("*.tar"))
    data = webdataset.WebDataset(shards, shardshuffle=len(shards), seed=seed)
    return data.shuffle(setup.shuffle_rows, initial=setup.shuffle_rows, seed=seed)


def litdata_records(setup: Setup, seed: int) -> Iterable[dict[str, Any]]:
    """litdata's own shuffle, of chunks and within them."""
    import litdata

    return litdata.StreamingDataset(setup.litdata, shuffle=True, seed=seed)


@contextmanager
def peer(source: Source, workers: int, setup: Setup) -> Iterator[Passes]:
    """A peer's reader under torch's DataLoader with so many worker processes."""
    data = PeerWindows(source, setup)
    # Forked, as is torch's way on Linux: a contestant's process, itself spawned, would spawn them.
    context = "fork" if workers else None

    def passes() -> Iterator[Batch]:
        loader = torch.utils.data.DataLoader
        return iter(loader(data, batch_size=None, num_workers=workers, multiprocessing_context=context))

    yield passes


OURS, IN_PROCESS, FLOOR = "chronav through Ray Data", "chronav in process", "floor: decoding alone"
PATHS: dict[str, Opener] = {
    FLOOR: floor,
    IN_PROCESS: in_process,
    OURS: through_ray,
    "webdataset in process": partial(peer, webdataset_records, 0),
    "webdataset, one worker": partial(peer, webdataset_records, 1),
    "litdata in process": partial(peer, litdata_records, 0),
    "litdata, one worker": partial(peer, litdata_records, 1),
}
