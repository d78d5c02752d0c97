from __future__ import annotations

import itertools
import tracemalloc
from collections import Counter

import numpy as np
import pytest

from pipelines.table import RowGroup
from trainer.input import assemble
from trainer.plan import Plan, Shape
from trainer.reads import TrainGroup

SHAPE = Shape(lanes=4, batch_size=8, window=3, samples_per_row=2)


def group(number: int, table: int = 0, rows: int = 8) -> TrainGroup:
    """Rows 1 .. `rows` of a row group, as if row 0 was held out."""
    return TrainGroup(RowGroup(f"file{number}", 0, 9), np.arange(1, rows + 1, dtype=np.int32), table)


ALIKE = Plan([group(i, rows=7 + i % 2) for i in range(11)], None, 0, SHAPE)
# 32 rows of table 0 and 64 of table 1: shares of 72 and 24.
MIXED = Plan([group(i, table=int(i % 3 > 0)) for i in range(12)], (3.0, 1.0), 0, SHAPE)
PLANS = pytest.mark.parametrize("plan", [ALIKE, MIXED], ids=["alike", "mixed"])

Batch = list[tuple[str, int, int]]


def order(plan: Plan, first: int, last: int, workers: int = 1) -> list[Batch]:
    """The batches of steps first .. last - 1: (file, row, global index) of every sample, workers side by side."""
    each = SHAPE.lanes // workers
    parts = []
    for worker in range(workers):
        lanes = range(worker * each, (worker + 1) * each)
        pieces = plan.pieces(lanes, first, last)
        rows = (
            (p.lane, (p.groups[g].path, row, index)) for p in pieces for g, row, index in p.samples.tolist()
        )
        parts.append(list(assemble(rows, lanes, SHAPE.per_lane)))
    return [[sample for part in batch for sample in part] for batch in zip(*parts, strict=True)]


def times(batches: list[Batch]) -> Counter[tuple[str, int]]:
    """How often each row comes."""
    return Counter((file, row) for batch in batches for file, row, _ in batch)


def epoch(plan: Plan, number: int) -> list[Batch]:
    """The batches of one epoch, where a lane's epoch is whole batches."""
    steps, rest = divmod(plan.lane_length, SHAPE.per_lane)
    assert rest == 0
    return order(plan, number * steps, (number + 1) * steps)


def test_without_weights_every_row_comes_samples_per_row_times_an_epoch():
    plan = Plan(MIXED.groups, None, 0, SHAPE)  # 96 rows: nothing is left over
    for number in range(3):
        seen = times(epoch(plan, number))
        assert seen.keys() == {(g.group.path, row) for g in plan.groups for row in g.rows.tolist()}
        assert set(seen.values()) == {SHAPE.samples_per_row}


def test_less_than_a_lane_each_is_left_over():
    assert ALIKE.epoch_samples == 2 * (6 * 7 + 5 * 8)
    assert ALIKE.epoch_samples - SHAPE.lanes * ALIKE.lane_length < SHAPE.lanes
    seen = times(order(ALIKE, 0, ALIKE.lane_length // SHAPE.per_lane))
    assert max(seen.values()) == SHAPE.samples_per_row


def test_shares_are_exact_in_every_epoch_and_an_epoch_stays_as_long():
    assert MIXED.epoch_samples == 96 * SHAPE.samples_per_row  # what the size of memory banks goes by
    table = {g.group.path: g.table for g in MIXED.groups}
    choices = []
    for number in range(5):
        seen = times(epoch(MIXED, number))
        assert seen.total() == MIXED.epoch_samples
        by_table = [{row: n for row, n in seen.items() if table[row[0]] == t} for t in range(2)]
        assert [sum(of.values()) for of in by_table] == [144, 48]
        # 72 of 32 rows: all twice, 8 a third time; 24 of 64: once or not at all.
        assert Counter(by_table[0].values()) == {4: 24, 6: 8}
        assert Counter(by_table[1].values()) == {2: 24}
        choices.append(({row for row, n in by_table[0].items() if n == 6}, set(by_table[1])))
    for before, after in itertools.pairwise(choices):
        assert before[0] != after[0]
        assert before[1] != after[1]


def test_repeats_of_a_row_spread_over_the_epoch():
    plan = Plan([group(0), *(group(i, table=1) for i in range(1, 41))], (1.0, 3.0), 0, SHAPE)
    reads = [p.start for p in plan.pieces(range(4), 0, plan.lane_length // 2) if p.groups[0].path == "file0"]
    assert len(reads) >= 8  # 82 of 8 rows: about ten passes


@PLANS
def test_global_indices_count_samples_in_batch_order(plan):
    indices = [index for batch in order(plan, 0, 50) for _, _, index in batch]
    assert indices == list(range(50 * SHAPE.batch_size))


@PLANS
@pytest.mark.parametrize("workers", [2, 4])
def test_the_global_batch_does_not_depend_on_the_number_of_workers(plan, workers):
    assert order(plan, 0, 65, workers) == order(plan, 0, 65)


@PLANS
@pytest.mark.parametrize("workers", [1, 2])
def test_a_resumed_run_gets_the_rest_of_the_same_batches(plan, workers):
    whole = order(plan, 0, 60)
    for first in range(1, 60):  # within windows, at their ends, and in three epochs
        assert order(plan, first, 60, workers) == whole[first:]


@PLANS
def test_pieces_come_in_the_order_of_need(plan):
    for first in (0, 7):
        pieces = list(plan.pieces(range(4), first, 60))
        assert [(p.start, p.lane) for p in pieces] == sorted((p.start, p.lane) for p in pieces)


@PLANS
def test_epochs_and_seeds_differ(plan):
    steps = plan.lane_length // SHAPE.per_lane
    batches = order(plan, 0, 2 * steps)
    assert [(f, r) for f, r, _ in batches[0]] != [(f, r) for f, r, _ in batches[steps]]
    assert order(Plan(plan.groups, plan.weights, 1, SHAPE), 0, 3) != batches[:3]


@PLANS
def test_windows_are_shuffled_unlike_each_other(plan):
    """Each has a generator of its own: were they the same, equal windows would come in equal order."""
    orders = []
    for piece in plan.pieces(range(4), 0, plan.lane_length // SHAPE.per_lane):
        if len(piece.samples) == 2 * 3 * 8:
            orders.append(tuple(piece.samples[:, 1].tolist()))
    assert len(set(orders)) == len(orders)


def test_a_row_group_is_read_once_an_epoch_but_where_a_lane_begins_in_it():
    pieces = list(ALIKE.pieces(range(4), 0, ALIKE.lane_length // SHAPE.per_lane))
    reads = Counter(group.path for piece in pieces for group in piece.groups)
    assert sum(reads.values()) - len(ALIKE.groups) <= (SHAPE.lanes - 1) * SHAPE.window


def test_a_mixture_reads_a_row_group_once_for_each_pass_and_each_choice():
    plan = Plan([group(i, table=int(i % 3 > 0)) for i in range(120)], (3.0, 1.0), 0, SHAPE)
    pieces = list(plan.pieces(range(4), 0, plan.lane_length // SHAPE.per_lane))
    reads = sum(len(piece.groups) for piece in pieces)
    # Of 40 groups two passes and a quarter; of 80 groups three eighths. A choice may cut two groups.
    assert reads <= 2 * 40 + 11 + 31 + (SHAPE.lanes - 1) * SHAPE.window


@pytest.mark.parametrize("weights", [None, (0.8, 0.2)])
def test_memory_grows_with_row_groups_and_not_with_rows(weights):
    def peak(groups: int, rows: int) -> int:
        """Bytes that one of four workers needs at most to go through an epoch."""
        own = np.arange(rows, dtype=np.int32)
        several = [TrainGroup(RowGroup("file", i, rows), own, i % 2) for i in range(groups)]
        plan = Plan(several, weights, 0, Shape(lanes=8, batch_size=32, window=8, samples_per_row=2))
        tracemalloc.start()
        n = sum(len(p.samples) for p in plan.pieces(range(2), 0, plan.lane_length // plan.shape.per_lane))
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert n == groups * rows * 2 / 4
        return highest

    peak(200, 50)  # numpy loads parts of itself at their first use
    # A list of the rows' numbers alone, at 32 bits, would take 200 bytes a row group.
    assert peak(20_000, 50) - peak(200, 50) < 120 * 19_800
    # The same row groups with ten times the rows: a larger window, and nothing else.
    assert peak(2_000, 500) - peak(2_000, 50) < 120 * 8 * 450 * 2


def test_a_lane_begins_without_the_windows_before_it(monkeypatch):
    """A late resume makes the window that it begins in and those after it."""
    made = []
    plan = Plan([group(i) for i in range(300)], None, 0, SHAPE)
    steps = plan.lane_length // SHAPE.per_lane
    permutation = np.random.default_rng

    def counted(key: tuple[int, ...]) -> np.random.Generator:
        made.append(key)
        return permutation(key)

    monkeypatch.setattr(np.random, "default_rng", counted)
    assert list(plan.pieces(range(4), steps - 2, steps))
    assert len(made) <= 1 + 4 * 2
