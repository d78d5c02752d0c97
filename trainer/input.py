"""A worker's slice of the plan, decoded by Ray Data tasks and put together into batches, in order."""

from __future__ import annotations

import dataclasses
import itertools
import pickle
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import ray.data

from chronav.cluster import quiet_ray_data
from pipelines.table import RowGroup, read_row_group
from trainer.batch import Batch, collate
from trainer.config import PretrainConfig
from trainer.plan import Piece, Plan
from trainer.reads import TrainGroup
from trainer.sample import Sample, StoredRow, decode_audio, make_sample

_SMALL = ["clip_id", "video_id", "fps", "n_frames", "source_fps", "audio_valid_start_s", "audio_valid_end_s"]
_COLUMNS = [*_SMALL, "frames", "audio"]
_LEAST_A_ROUND = 8
# A task of its own for a handful of samples would cost more than the samples.
_LEAST_SAMPLES_A_JOB = 64
_NO_FRAMES = np.zeros((0, 0, 0, 0, 3), np.uint8)


class StoredRows:
    """The rows of a row group, by number; their media still encoded and not copied."""

    def __init__(self, table: pa.Table) -> None:
        self._small = table.select(_SMALL).to_pylist()
        self._frames, self._audio = table.column("frames"), table.column("audio")

    def __getitem__(self, row: int) -> StoredRow:
        return _stored_row(self._small[row], self._frames[row], self._audio[row])


def stored_row(table: pa.Table, row: int) -> StoredRow:
    """One row of a row group, its media still encoded and not copied."""
    return StoredRows(table.slice(row, 1))[0]


def _stored_row(value: dict[str, Any], frames: pa.ListScalar, audio: pa.BinaryScalar) -> StoredRow:
    start, end = value["audio_valid_start_s"], value["audio_valid_end_s"]
    return StoredRow(
        value["clip_id"],
        value["video_id"],
        value["fps"] or 0.0,
        value["n_frames"] or 0,
        value["source_fps"],
        _Pictures(frames.values) if frames.is_valid and len(frames.values) else [],
        audio.as_buffer() if audio.is_valid else None,
        None if start is None or end is None else (start, end),
    )


class _Pictures:
    """The JPEGs of a row, by index, without copying any: Arrow's own scalars would be copies."""

    def __init__(self, values: pa.Array) -> None:
        values = values.cast(pa.binary())  # files that deltalake rewrote may hold other kinds of binary
        _, ends, data = values.buffers()
        self._ends = np.frombuffer(ends, np.int32, len(values) + 1, 4 * values.offset).tolist()
        # Arrow's buffers call themselves signed, which JPEG decoders refuse.
        self._data = memoryview(data).cast("B")

    def __getitem__(self, index: int) -> memoryview:
        return self._data[self._ends[index] : self._ends[index + 1]]


def bundles(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Consecutive pieces put together until there are samples enough for a task; a small table has small pieces."""
    waiting: list[Piece] = []
    for piece in pieces:
        waiting.append(piece)
        if sum(len(p.samples) for p in waiting) >= _LEAST_SAMPLES_A_JOB:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def decode_pieces(
    pieces: Sequence[Piece], config: PretrainConfig, sample_rate: int
) -> Iterator[tuple[int, Sample | None]]:
    """Read the pieces' row groups, each once, and cut the samples, in order: (lane, sample)."""

    @cache
    def read(group: RowGroup) -> StoredRows:
        return StoredRows(read_row_group(group, _COLUMNS))

    @cache  # several samples of a bundle may come from one row
    def opened(group: RowGroup, row: int) -> tuple[StoredRow, Any]:
        stored = read(group)[row]
        return stored, decode_audio(stored, sample_rate)

    for piece in pieces:
        for group, row, index in piece.samples.tolist():
            sample = make_sample(*opened(piece.groups[group], row), index, config, sample_rate)
            yield piece.lane, sample


def decode_heldout(
    group: TrainGroup, first: int, config: PretrainConfig, sample_rate: int
) -> list[tuple[int, Sample | None]]:
    """Held-out samples of one row group: `heldout_draws` a row, the target pair going round, no augmentation."""
    table = read_row_group(group.group, _COLUMNS)
    samples = []
    for number, row in enumerate(group.rows.tolist()):
        stored = stored_row(table, row)
        sound = decode_audio(stored, sample_rate)
        for draw in range(config.heldout_draws):
            index = (first + number) * config.heldout_draws + draw
            made = make_sample(stored, sound, index, config, sample_rate, target=draw % 4, augment=False)
            samples.append((0, made))
    return samples


def train_batches(
    plan: Plan,
    config: PretrainConfig,
    sample_rate: int,
    rank: int,
    first_step: int,
) -> Iterator[list[Batch]]:
    """This worker's part of every batch, in micro-batches, from `first_step` to the last step, through Ray Data.

    The same samples come in the same order whatever the timing, the number of workers or the step begun at.
    """
    each = config.lanes // config.workers
    lanes = range(rank * each, (rank + 1) * each)
    pieces = plan.pieces(lanes, first_step, config.steps)
    jobs = (pickle.dumps(bundle) for bundle in bundles(pieces))
    rows = _stream(jobs, _DecodePieces(config, sample_rate), a_round=max(each, _LEAST_A_ROUND))
    part = config.batch_size // config.workers // config.accumulate
    for samples in assemble(rows, lanes, plan.shape.per_lane):
        # Always as many parts, if need be empty ones: with sync_batch each is a round of messages.
        yield [collate(samples[i * part : (i + 1) * part], config) for i in range(config.accumulate)]


def heldout_batches(
    groups: Sequence[TrainGroup], config: PretrainConfig, sample_rate: int, rank: int, batch_size: int = 64
) -> Iterator[Batch]:
    """This worker's share of the held-out samples, the same ones at every call."""
    jobs, first = [], 0
    for number, group in enumerate(groups):
        if number % config.workers == rank:
            jobs.append(pickle.dumps((group, first)))
        first += len(group.rows)
    waiting: list[Sample] = []
    for _, sample in _stream(iter(jobs), _DecodeHeldout(config, sample_rate), _LEAST_A_ROUND):
        if sample is not None:
            waiting.append(sample)
        if len(waiting) == batch_size:
            yield collate(waiting, config)
            waiting = []
    if waiting:
        yield collate(waiting, config)


def assemble(
    rows: Iterable[tuple[int, Sample | None]], lanes: range, per_lane: int
) -> Iterator[list[Sample]]:
    """Deal (lane, sample) into batches of `per_lane` samples from each lane, in lane order."""
    queues: dict[int, deque[Sample | None]] = {lane: deque() for lane in lanes}
    for lane, sample in rows:
        queues[lane].append(sample)
        while all(len(queue) >= per_lane for queue in queues.values()):
            dealt = [queues[lane].popleft() for lane in lanes for _ in range(per_lane)]
            yield [sample for sample in dealt if sample is not None]


class _DecodePieces:
    """The Ray Data task of training: pickled pieces in, pickled samples out."""

    def __init__(self, config: PretrainConfig, sample_rate: int) -> None:
        self.config, self.sample_rate = config, sample_rate

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        for blob in batch.column("job"):
            yield _packed(list(decode_pieces(pickle.loads(blob.as_py()), self.config, self.sample_rate)))


class _DecodeHeldout:
    """The Ray Data task of held-out measurements."""

    def __init__(self, config: PretrainConfig, sample_rate: int) -> None:
        self.config, self.sample_rate = config, sample_rate

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        for blob in batch.column("job"):
            group: TrainGroup
            group, first = pickle.loads(blob.as_py())
            yield _packed(decode_heldout(group, first, self.config, self.sample_rate))


def _packed(samples: list[tuple[int, Sample | None]]) -> pa.Table:
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


def _unpacked(table: pa.Table) -> Iterator[tuple[int, Sample | None]]:
    """What `_packed` put together; the pictures stay where the table has them, read-only."""
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


def _stream(jobs: Iterator[bytes], task: Any, a_round: int) -> Iterator[tuple[int, Sample | None]]:
    """Run `task` over `jobs` in Ray Data and give the results in the jobs' order.

    `a_round` jobs are decoded while the results of the round before are used: so two rounds bound the memory. (One
    long stream would rely on Ray Data's back-pressure, whose scheduler spins, in this process, on results that are
    ready and not yet wanted: measured, it cost two thirds of the training speed on two cores.)
    """
    rounds = iter(lambda: list(itertools.islice(jobs, a_round)), [])
    with ThreadPoolExecutor(max_workers=1) as ahead:
        first = next(rounds, None)
        pending = ahead.submit(_decode_round, first, task) if first else None
        while pending is not None:
            blocks = pending.result()
            following = next(rounds, None)
            pending = ahead.submit(_decode_round, following, task) if following else None
            for block in blocks:
                yield from _unpacked(ray.get(block))


def _decode_round(jobs: list[bytes], task: Any) -> list[Any]:
    """References to the tables of a round's results, in order."""
    quiet_ray_data()
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    dataset = ray.data.from_arrow([pa.table({"job": pa.array([job], pa.binary())}) for job in jobs])
    results = dataset.map_batches(task, batch_format="pyarrow", batch_size=None, num_cpus=1)
    return results.materialize().to_arrow_refs()
