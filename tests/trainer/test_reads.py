from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pipelines.table import RowGroup
from trainer.reads import Reads, TrainGroup, epoch_reads, table_rows

# Row groups of unlike sizes: table 0 has 34 rows, table 1 has 66.
SIZES = [(0, 10), (1, 30), (0, 1), (1, 29), (0, 23), (1, 7)]
GROUPS = [
    TrainGroup(RowGroup(f"f{i}", 0, n), np.arange(n, dtype=np.int32), t) for i, (t, n) in enumerate(SIZES)
]


def taken(reads: Reads) -> Counter[tuple[int, int]]:
    """How often each (group, row) is read."""
    visits = zip(reads.group.tolist(), reads.first.tolist(), reads.count.tolist(), strict=True)
    return Counter(
        (group, (first + i) % SIZES[group][1]) for group, first, count in visits for i in range(count)
    )


def of_table(counts: Counter[tuple[int, int]], table: int) -> dict[tuple[int, int], int]:
    """Every row of a table, those never read too."""
    rows = [(g, row) for g, (t, n) in enumerate(SIZES) if t == table for row in range(n)]
    return {row: counts[row] for row in rows}


def test_without_weights_every_row_is_read_once():
    reads = epoch_reads(GROUPS, None, 0, 5)
    assert sorted(reads.group) == list(range(len(GROUPS)))
    assert set(taken(reads).values()) == {1}
    assert table_rows(GROUPS, 2) == [34, 66]


@pytest.mark.parametrize("weights", [(0.7, 0.3), (0.1, 0.9), (1, 1), (99, 1), (0.34, 0.66), (0.68, 0.32)])
def test_every_row_is_read_as_often_as_its_share_asks_and_one_time_more_at_most(weights):
    for epoch in range(12):
        counts = taken(epoch_reads(GROUPS, weights, 3, epoch))
        for table, (rows, weight) in enumerate(zip((34, 66), weights, strict=True)):
            wanted = round(100 * weight / sum(weights))
            times = of_table(counts, table).values()
            assert sum(times) == wanted
            assert set(times) <= {wanted // rows, wanted // rows + 1}


@pytest.mark.parametrize("weights", [(0.7, 0.3), (0.1, 0.9)])
def test_choices_differ_between_epochs_and_seeds_and_leave_no_row_behind(weights):
    total: Counter[tuple[int, int]] = Counter()
    before = None
    for epoch in range(40):
        counts = taken(epoch_reads(GROUPS, weights, 3, epoch))
        assert counts != before
        before = counts
        total += counts
        for table in range(2):
            times = of_table(total, table).values()
            assert max(times) - min(times) <= 1
    assert taken(epoch_reads(GROUPS, weights, 3, 0)) != taken(epoch_reads(GROUPS, weights, 4, 0))
    assert taken(epoch_reads(GROUPS, weights, 3, 7)) == taken(epoch_reads(GROUPS, weights, 3, 7))


def test_where_a_choice_begins_is_as_likely_at_any_row():
    """Else the first rows of row groups would be seen more often in a short run."""
    hits = sum((taken(epoch_reads(GROUPS, (0.05, 0.95), seed, 0)) for seed in range(4000)), Counter())
    times = np.array(list(of_table(hits, 0).values()))
    expected = 4000 * 5 / 34
    assert np.abs(times - expected).max() < 4.5 * np.sqrt(expected)


def test_few_rows_are_read_from_few_row_groups():
    groups = [TrainGroup(RowGroup(f"f{i}", 0, 50), np.arange(50, dtype=np.int32), i % 2) for i in range(200)]
    for epoch in range(20):
        reads = epoch_reads(groups, (0.04, 0.96), 0, epoch)
        few = reads[reads.group % 2 == 0]
        assert few.count.sum() == 400
        assert len(few.group) <= 400 / 50 + 1
        assert len(set(few.group.tolist())) == len(few.group)  # no row group twice
