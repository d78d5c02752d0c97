"""Samples through Ray Data: jobs in rounds, and the samples of a job as an Arrow table."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import ray
import ray.data

from chronav.cluster import fitted_ray_data
from trainer.arena import Arena
from trainer.sample import Sample

# The first round is small, so that training begins soon. Each costs Ray Data a twentieth of a second, so rounds grow.
_FIRST_SAMPLES, _MOST_SAMPLES = 512, 4096
_MOST_BYTES = 2**29


class Job(NamedTuple):
    """What one task decodes, pickled, and how many samples that makes."""

    blob: bytes
    samples: int


@dataclass
class Budget:
    """How many samples the next round decodes."""

    samples: int = _FIRST_SAMPLES

    def grow(self, samples: int, size_bytes: int) -> None:
        """Twice as many as before, where `samples`, of `size_bytes` together, show that they fit."""
        fitting = _MOST_BYTES * samples // max(size_bytes, 1)
        self.samples = max(1, min(2 * self.samples, fitting, _MOST_SAMPLES))


def rounds(jobs: Iterable[Job], least: int, budget: Budget) -> Iterator[list[Job]]:
    """Jobs that are decoded together: at least `least` of them, and then no more than the budget of that time.

    With one job for each lane of this worker, every round carries all lanes on.
    """
    waiting: list[Job] = []
    for job in jobs:
        waiting.append(job)
        if len(waiting) >= least and sum(j.samples for j in waiting) >= budget.samples:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def stream(jobs: Iterable[Job], task: Any, least: int) -> Iterator[tuple[int, Sample | None]]:
    """Run `task` over `jobs` in Ray Data and give the results in the jobs' order.

    A round is decoded while the results of the one before are used: so two rounds bound the memory. (One long stream
    would rely on Ray Data's back-pressure, whose scheduler spins, in this process, on results that are ready and not
    yet wanted: measured, it cost two thirds of the training speed on two cores.)
    """
    budget = Budget()
    parts = rounds(jobs, least, budget)
    with ThreadPoolExecutor(max_workers=1) as ahead:

        def begin() -> Future[Round] | None:
            part = next(parts, None)
            return ahead.submit(_decode_round, part, task) if part else None

        pending = begin()
        while pending is not None:
            done = pending.result()
            budget.grow(done.samples, done.size_bytes)
            pending = begin()
            yield from unpacked(ray.get(block) for block in done.blocks)


class Round(NamedTuple):
    """What a round made: references to its tables, in order."""

    blocks: list[Any]
    samples: int
    size_bytes: int


def _decode_round(jobs: list[Job], task: Any) -> Round:
    with fitted_ray_data():
        ray.data.DataContext.get_current().execution_options.preserve_order = True
        dataset = ray.data.from_arrow([pa.table({"job": pa.array([job.blob], pa.binary())}) for job in jobs])
        decoded = dataset.map_batches(task, batch_format="pyarrow", batch_size=None, num_cpus=1)
    results = decoded.materialize()
    return Round(results.to_arrow_refs(), sum(job.samples for job in jobs), results.size_bytes())


def packed(samples: list[tuple[int, Sample | None]], arena: Arena) -> pa.Table:
    """A row for each block of the arena, and in the first the pickled rest; the blocks are not copied."""
    places: list[tuple[int, int, int]] = []  # block, offset, bytes

    def inside(buffer: pickle.PickleBuffer) -> bool:
        memory = np.frombuffer(buffer.raw(), np.uint8)
        found = arena.place(memory) if len(memory) else None
        if found is not None:
            places.append((*found, len(memory)))
        return found is None

    rest = pickle.dumps(samples, protocol=5, buffer_callback=inside)
    blocks = arena.blocks() or [np.zeros(0, np.uint8)]
    head = pickle.dumps((len(blocks), places, rest), protocol=5)
    media = [
        pa.LargeBinaryArray.from_buffers(
            pa.large_binary(), 1, [None, pa.py_buffer(np.array([0, len(block)])), pa.py_buffer(block)]
        )
        for block in blocks
    ]
    heads = pa.array([head] + [b""] * (len(blocks) - 1), pa.large_binary())
    return pa.table({"samples": heads, "media": pa.chunked_array(media, pa.large_binary())})


def unpacked(tables: Iterable[pa.Table]) -> Iterator[tuple[int, Sample | None]]:
    """What `packed` put together, from its tables or from pieces of them, in order.

    Pictures and sound stay where the tables have them, read-only.
    """
    count, places, rest = 0, [], b""
    blocks: list[memoryview] = []
    for table in tables:
        for head, media in zip(_values(table.column("samples")), _values(table.column("media")), strict=True):
            if len(head):
                count, places, rest = pickle.loads(head)
            blocks.append(media)
            if len(blocks) == count:
                own = [blocks[number][start : start + size] for number, start, size in places]
                yield from pickle.loads(rest, buffers=own)
                blocks = []


def _values(column: pa.ChunkedArray) -> Iterator[memoryview]:
    """The values of a large_binary column, which Arrow's own scalars would be copies of."""
    for chunk in column.chunks:
        _, ends, data = chunk.buffers()
        at = np.frombuffer(ends, np.int64, len(chunk) + 1, 8 * chunk.offset).tolist()
        whole = memoryview(data if data is not None else b"")
        yield from (whole[start:end] for start, end in itertools.pairwise(at))
