"""Samples through Ray Data: jobs in rounds, and samples as rows of Arrow tables."""

from __future__ import annotations

import dataclasses
import itertools
import pickle
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import ray
import ray.data

from chronav.cluster import quiet_ray_data
from trainer.sample import Sample

# A round of decoding: so many jobs keep the cores of a node busy, so many samples are enough in any case.
_JOBS_A_ROUND, _SAMPLES_A_ROUND = 8, 512
_NO_FRAMES = np.zeros((0, 0, 0, 0, 3), np.uint8)


class Job(NamedTuple):
    """What one task decodes, pickled, and how many samples that makes."""

    blob: bytes
    samples: int


def rounds(jobs: Iterable[Job], least: int) -> Iterator[list[bytes]]:
    """Jobs that are decoded together: at least `least` of them, and no more once they are many or large.

    With one job for each lane of this worker, every round carries all lanes on.
    """
    waiting: list[Job] = []
    for job in jobs:
        waiting.append(job)
        enough = len(waiting) >= _JOBS_A_ROUND or sum(j.samples for j in waiting) >= _SAMPLES_A_ROUND
        if len(waiting) >= least and enough:
            yield [j.blob for j in waiting]
            waiting = []
    if waiting:
        yield [j.blob for j in waiting]


def stream(jobs: Iterable[Job], task: Any, least: int) -> Iterator[tuple[int, Sample | None]]:
    """Run `task` over `jobs` in Ray Data and give the results in the jobs' order.

    A round is decoded while the results of the one before are used: so two rounds bound the memory. (One long stream
    would rely on Ray Data's back-pressure, whose scheduler spins, in this process, on results that are ready and not
    yet wanted: measured, it cost two thirds of the training speed on two cores.)
    """
    parts = rounds(jobs, least)
    with ThreadPoolExecutor(max_workers=1) as ahead:
        first = next(parts, None)
        pending = ahead.submit(_decode_round, first, task) if first else None
        while pending is not None:
            blocks = pending.result()
            following = next(parts, None)
            pending = ahead.submit(_decode_round, following, task) if following else None
            for block in blocks:
                yield from unpacked(ray.get(block))


def _decode_round(jobs: list[bytes], task: Any) -> list[Any]:
    """References to the tables of a round's results, in order."""
    quiet_ray_data()
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    dataset = ray.data.from_arrow([pa.table({"job": pa.array([job], pa.binary())}) for job in jobs])
    results = dataset.map_batches(task, batch_format="pyarrow", batch_size=None, num_cpus=1)
    return results.materialize().to_arrow_refs()


def packed(samples: list[tuple[int, Sample | None]]) -> pa.Table:
    """One row a sample. Its pictures, nine tenths of the bytes, lie beside the pickled rest: they are not copied."""
    pickles, pictures = [], []
    for _, sample in samples:
        frames = _NO_FRAMES if sample is None else sample.frames
        bare = sample and dataclasses.replace(sample, frames=_NO_FRAMES)
        pickles.append(pickle.dumps((bare, frames.shape), protocol=5))
        ends = pa.py_buffer(np.array([0, frames.nbytes]))
        pictures.append(
            pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, ends, pa.py_buffer(frames)])
        )
    columns = {
        "lane": pa.array([lane for lane, _ in samples], pa.int32()),
        "sample": pa.array(pickles, pa.large_binary()),
        "frames": pa.chunked_array(pictures, pa.large_binary()),
    }
    return pa.table(columns)


def unpacked(table: pa.Table) -> Iterator[tuple[int, Sample | None]]:
    """What `packed` put together; the pictures stay where the table has them, read-only."""
    lanes = table.column("lane").to_pylist()
    for lane, blob, pictures in zip(
        lanes, _values(table.column("sample")), _values(table.column("frames")), strict=True
    ):
        bare, shape = pickle.loads(blob)
        yield (
            lane,
            bare and dataclasses.replace(bare, frames=np.frombuffer(pictures, np.uint8).reshape(shape)),
        )


def _values(column: pa.ChunkedArray) -> Iterator[memoryview]:
    """The values of a large_binary column, which Arrow's own scalars would be copies of."""
    for chunk in column.chunks:
        _, ends, data = chunk.buffers()
        at = np.frombuffer(ends, np.int64, len(chunk) + 1, 8 * chunk.offset).tolist()
        whole = memoryview(data if data is not None else b"")
        yield from (whole[start:end] for start, end in itertools.pairwise(at))
