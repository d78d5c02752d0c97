"""A worker's slice of the plan, decoded by Ray Data tasks and put together into batches, in order."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
import pyarrow as pa

from chronav.allocator import keep_freed_memory
from pipelines.table import RowGroup
from trainer.arena import Arena, Empty
from trainer.batch import Batch, collate
from trainer.config import PretrainConfig
from trainer.garbage import no_search_for_cycles
from trainer.plan import Piece, Plan
from trainer.reads import TrainGroup
from trainer.sample import Sample, decode_audio, make_sample
from trainer.stored import open_rows
from trainer.stream import Job, packed, stream

# A task of its own for a handful of samples would cost more than the samples.
_LEAST_SAMPLES_A_JOB = 64


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
    pieces: Sequence[Piece], config: PretrainConfig, sample_rate: int, empty: Empty = np.empty
) -> list[tuple[int, Sample | None]]:
    """Read the pieces' row groups, each once, and cut the samples; given in the plan's order: (lane, sample).

    They are cut row by row, whatever the order: a row's sound is decoded once and is still at hand for all of its
    samples, and one row group is open at a time.
    """
    wanted: dict[RowGroup, list[tuple[int, int, int]]] = {}  # (row, global sample index, place in the order)
    lanes = [piece.lane for piece in pieces for _ in range(len(piece.samples))]
    every = (
        (piece.groups[group], row, index) for piece in pieces for group, row, index in piece.samples.tolist()
    )
    for place, (group, row, index) in enumerate(every):
        wanted.setdefault(group, []).append((row, index, place))
    made: list[Sample | None] = [None] * len(lanes)
    with no_search_for_cycles():
        for group, samples in wanted.items():
            rows = open_rows(group)
            for row, of_row in groupby(sorted(samples), key=itemgetter(0)):
                stored = rows[row]
                sound = decode_audio(stored, sample_rate)
                for _, index, place in of_row:
                    made[place] = make_sample(stored, sound, index, config, sample_rate, empty=empty)
    return list(zip(lanes, made, strict=True))


def decode_heldout(
    group: TrainGroup, first: int, config: PretrainConfig, sample_rate: int, empty: Empty = np.empty
) -> list[tuple[int, Sample | None]]:
    """Held-out samples of one row group: `heldout_draws` a row, the target pair going round, no augmentation."""
    stored_rows = open_rows(group.group)
    samples = []
    for number, row in enumerate(group.rows.tolist()):
        stored = stored_rows[row]
        sound = decode_audio(stored, sample_rate)
        for draw in range(config.heldout_draws):
            index = (first + number) * config.heldout_draws + draw
            made = make_sample(
                stored, sound, index, config, sample_rate, target=index % 4, augment=False, empty=empty
            )
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
    jobs = (Job(pickle.dumps(bundle), sum(len(p.samples) for p in bundle)) for bundle in bundles(pieces))
    rows = stream(jobs, _DecodePieces(config, sample_rate), least=each)
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
            jobs.append(Job(pickle.dumps((group, first)), len(group.rows) * config.heldout_draws))
        first += len(group.rows)
    waiting: list[Sample] = []
    for _, sample in stream(iter(jobs), _DecodeHeldout(config, sample_rate), least=1):
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
        keep_freed_memory()
        for blob in batch.column("job"):
            pieces, arena = pickle.loads(blob.as_py()), Arena()
            samples = decode_pieces(pieces, self.config, self.sample_rate, arena.empty)
            yield packed(samples, arena)


class _DecodeHeldout:
    """The Ray Data task of held-out measurements."""

    def __init__(self, config: PretrainConfig, sample_rate: int) -> None:
        self.config, self.sample_rate = config, sample_rate

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        keep_freed_memory()
        for blob in batch.column("job"):
            group: TrainGroup
            group, first = pickle.loads(blob.as_py())
            arena = Arena()
            yield packed(decode_heldout(group, first, self.config, self.sample_rate, arena.empty), arena)
