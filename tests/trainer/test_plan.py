from __future__ import annotations

from collections import Counter

import pytest

from pipelines.table import RowGroup
from trainer.input import assemble
from trainer.plan import Shape, TrainGroup, lane_length, worker_pieces

GROUPS = [TrainGroup(RowGroup(f"file{i}", 0, 9), tuple(range(1, 8))) for i in range(11)]
SHAPE = Shape(lanes=4, batch_size=8, window=3, samples_per_row=2)


def order(first: int, last: int, workers: int = 1, seed: int = 0) -> list[list[tuple[str, int, int]]]:
    """The batches of steps first .. last - 1: (file, row, global index) of every sample, workers side by side."""
    each = SHAPE.lanes // workers
    parts = []
    for worker in range(workers):
        lanes = range(worker * each, (worker + 1) * each)
        pieces = worker_pieces(GROUPS, seed, SHAPE, lanes, first, last)
        rows = ((p.lane, (p.groups[g].path, row, index)) for p in pieces for g, row, index in p.samples)
        parts.append(list(assemble(rows, lanes, SHAPE.per_lane)))
    return [[sample for part in batch for sample in part] for batch in zip(*parts, strict=True)]


def test_an_epoch_takes_every_sample_once_but_for_less_than_a_lane_each():
    steps = lane_length(GROUPS, SHAPE) // SHAPE.per_lane
    seen = Counter((file, row) for batch in order(0, steps) for file, row, _ in batch)
    assert max(seen.values()) == SHAPE.samples_per_row
    assert sum(seen.values()) == steps * SHAPE.batch_size
    total = sum(len(g.rows) for g in GROUPS) * SHAPE.samples_per_row
    assert total - sum(seen.values()) < SHAPE.lanes * SHAPE.per_lane


def test_global_indices_count_samples_in_batch_order():
    indices = [index for batch in order(0, 50) for _, _, index in batch]
    assert indices == list(range(50 * SHAPE.batch_size))


@pytest.mark.parametrize("workers", [2, 4])
def test_the_global_batch_does_not_depend_on_the_number_of_workers(workers):
    assert order(0, 45, workers) == order(0, 45)


@pytest.mark.parametrize("first", [1, 13, 19, 40])
def test_a_resumed_run_gets_the_rest_of_the_same_batches(first):
    assert order(first, 50) == order(0, 50)[first:]


def test_epochs_and_seeds_differ():
    length = lane_length(GROUPS, SHAPE) // SHAPE.per_lane
    batches = order(0, 2 * length)
    assert [(f, r) for f, r, _ in batches[0]] != [(f, r) for f, r, _ in batches[length]]
    assert order(0, 3, seed=1) != order(0, 3)


def test_a_row_group_is_read_once_an_epoch_but_where_a_lane_begins_in_it():
    length = lane_length(GROUPS, SHAPE)
    pieces = list(worker_pieces(GROUPS, 0, SHAPE, range(4), 0, length // SHAPE.per_lane))
    reads = Counter(group.path for piece in pieces for group in piece.groups)
    assert sum(reads.values()) - len(GROUPS) <= (SHAPE.lanes - 1) * SHAPE.window
