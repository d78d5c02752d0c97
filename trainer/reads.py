"""Which row groups an epoch reads, and which of their rows: each row once, or tables mixed by weight.

A table whose weight asks for more rows than it has repeats: every row is taken in each of the whole passes that the
share holds, and the rest is a choice of rows. A table whose weight asks for fewer has such a choice alone. Passes are
reads of their own, so that the repeats of a row spread over the epoch.

A choice goes round a ring: the table's row groups in an order of the seed's, their rows one after another. Each epoch
takes an arc that begins where the one before ended. So a choice is whole row groups but for those at its two ends,
consecutive epochs differ, and over any number of epochs no row is taken twice more often than another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.table import RowGroup
from trainer.mixture import row_counts

_RING = 4  # tag of the generator of rings, see trainer/plan.py


@dataclass(frozen=True, eq=False)
class TrainGroup:
    """A row group and those of its rows that are trained on, or held out."""

    group: RowGroup
    rows: np.ndarray  # (n,) int32, at least one
    table: int = 0  # position among the tables of the call


@dataclass(frozen=True, eq=False)
class Reads:
    """Visits to row groups, (V,) each: `count` rows of the group number `group`, from its row number `first` on.

    Numbers count the rows of a `TrainGroup`, not those of the file; behind the last comes the first again.
    """

    group: np.ndarray
    first: np.ndarray
    count: np.ndarray

    def __getitem__(self, chosen: np.ndarray | slice) -> Reads:
        return Reads(self.group[chosen], self.first[chosen], self.count[chosen])


def table_rows(groups: Sequence[TrainGroup], tables: int) -> list[int]:
    """Rows of each of the `tables` tables."""
    rows = [0] * tables
    for group in groups:
        rows[group.table] += len(group.rows)
    return rows


def epoch_reads(
    groups: Sequence[TrainGroup], weights: Sequence[float] | None, seed: int, epoch: int
) -> Reads:
    """The reads of an epoch, not yet shuffled; in all they take as many rows as the groups have.

    `weights`: relative shares of the tables, each with rows; None: every row once.
    """
    sizes = np.array([len(group.rows) for group in groups], np.int64)
    everything = Reads(np.arange(len(groups)), np.zeros(len(groups), np.int64), sizes)
    if weights is None:
        return everything
    table_of = np.array([group.table for group in groups])
    rows = table_rows(groups, len(weights))
    parts = []
    for table, wanted in enumerate(row_counts(rows, weights)):
        table_reads = everything[table_of == table]
        passes, rest = divmod(wanted, rows[table])
        parts += [table_reads] * passes
        if rest:
            rng = np.random.default_rng((seed, _RING, table))
            parts.append(_arc(table_reads, rest, epoch, rng))
    return Reads(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("group", "first", "count")))


def _arc(whole: Reads, wanted: int, epoch: int, rng: np.random.Generator) -> Reads:
    """`wanted` rows of a table, fewer than it has: the arc of this epoch on the ring of its row groups."""
    ring = whole[rng.permutation(len(whole.group))]
    total = int(ring.count.sum())
    start = (int(rng.integers(total)) + epoch * wanted) % total
    ends = np.cumsum(ring.count)
    at = int(np.searchsorted(ends, start, side="right"))  # the group in which the arc begins
    head = start - int(ends[at] - ring.count[at])  # rows of that group before the arc
    ring = ring[np.roll(np.arange(len(ends)), -at)]
    begins = (
        np.cumsum(ring.count) - ring.count - head
    )  # where each group lies, seen from the start of the arc
    count = np.clip(wanted - begins, 0, ring.count)
    # The head of the first group lies before the arc, and at the very end of a full turn.
    count[0] -= head - max(0, wanted - (total - head))
    first = np.zeros_like(count)
    first[0] = head
    return Reads(ring.group, first, count)[count > 0]
