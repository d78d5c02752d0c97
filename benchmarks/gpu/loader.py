"""Samples from the shard, decoded by processes: what Ray Data does for the trainer, on a machine without Ray."""

from __future__ import annotations

import itertools
import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

import numpy as np

from benchmarks.gpu.shard import PackedRow, Shard
from trainer.batch import Batch, collate
from trainer.config import PretrainConfig
from trainer.sample import Sample, decode_audio, make_sample

_SAMPLES_A_TASK = 8
_BATCHES_AHEAD = 3

_shard: Shard | None = None


def row_of(index: int, rows: int, seed: int) -> int:
    """The row of a global sample index: every row once an epoch, in an order of its own."""
    epoch, position = divmod(index, rows)
    return int(np.random.default_rng((seed, 1, epoch)).permutation(rows)[position])


class Loader:
    """Batches of training samples in order, the same whatever the number of processes.

    Frames travel through pipes: containers often have next to no shared memory.
    """

    def __init__(self, shard: Shard, config: PretrainConfig, workers: int) -> None:
        self.config, self.workers = config, workers
        self._rows = len(shard.select(heldout=False))
        # Spawned, not forked: the parent has threads and a CUDA context.
        self._pool = ProcessPoolExecutor(
            workers, multiprocessing.get_context("spawn"), _open, (str(shard.path),)
        )
        self._ahead = ThreadPoolExecutor(max_workers=1)

    def __enter__(self) -> Loader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ahead.shutdown(cancel_futures=True)
        self._pool.shutdown(cancel_futures=True)

    def batches(self) -> Iterator[list[Batch]]:
        """Endless steps of one batch each; the next is put together while one is used."""
        steps = self._steps()
        pending = self._ahead.submit(next, steps)
        while True:
            batch = pending.result()
            pending = self._ahead.submit(next, steps)
            yield [batch]

    def _steps(self) -> Iterator[Batch]:
        size = self.config.batch_size
        ahead = -(-_BATCHES_AHEAD * size // _SAMPLES_A_TASK) + self.workers
        tasks: deque[Future[list[Sample]]] = deque()
        waiting: list[Sample] = []
        for first in itertools.count(0, _SAMPLES_A_TASK):
            wanted = range(first, first + _SAMPLES_A_TASK)
            rows = [(row_of(index, self._rows, self.config.seed), index) for index in wanted]
            tasks.append(self._pool.submit(_decode, rows, self.config))
            if len(tasks) < ahead:
                continue
            waiting += tasks.popleft().result()
            while len(waiting) >= size:
                yield collate(waiting[:size], self.config)
                waiting = waiting[size:]


def heldout_samples(rows: Sequence[PackedRow], config: PretrainConfig, sample_rate: int) -> list[Sample]:
    """As the trainer measures: `heldout_draws` a row, the target pair going round, no augmentation."""
    made = []
    for number, row in enumerate(rows):
        sound = decode_audio(row.stored, sample_rate)
        for draw in range(config.heldout_draws):
            index = number * config.heldout_draws + draw
            made.append(
                make_sample(row.stored, sound, index, config, sample_rate, target=index % 4, augment=False)
            )
    return [sample for sample in made if sample is not None]


def _open(path: str) -> None:
    global _shard
    _shard = Shard(Path(path))


def _decode(wanted: Sequence[tuple[int, int]], config: PretrainConfig) -> list[Sample]:
    assert _shard is not None
    rows, rate = _shard.select(heldout=False), _shard.sample_rate
    made = []
    for row, index in wanted:
        stored = rows[row].stored
        made.append(make_sample(stored, decode_audio(stored, rate), index, config, rate))
    return [sample for sample in made if sample is not None]
