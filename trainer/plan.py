"""The order of samples: a pure function of (seed, epoch, versions and weights of the tables).

The reads of an epoch (trainer/reads.py) are shuffled over all tables and taken a window at a time; the samples of a
window are shuffled among themselves; the resulting sequence is cut into equal *lanes*. A batch takes the same number
of samples from every lane, and a worker owns whole lanes: so the global batch does not depend on the number of
workers, and every read of a row group (one an epoch, if its table does not repeat) is made once, by one worker, but
for those of a window in which a lane begins (of a table with fewer windows than lanes, that is every row group).

Where windows lie follows from the number of their rows, and each shuffles its samples with a generator of its own. So
a lane, or a resumed run, begins anywhere without the windows before it, and the memory is that of the reads of an
epoch (three numbers each) and of the samples of one window.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from pipelines.table import RowGroup
from trainer.reads import TrainGroup, epoch_reads

# Tags of generators. Samples have 0 and 1 (trainer/sample.py), rings 4 (trainer/reads.py); two tags and not one, as
# numpy takes (a, b) and (a, b, 0) for the same seed.
_EPOCH, _WINDOW = 2, 3


@dataclass(frozen=True, eq=False)
class Piece:
    """Consecutive samples of one lane that come from one window of row groups."""

    lane: int
    start: int  # the lane's position of the first sample
    groups: tuple[RowGroup, ...]
    samples: np.ndarray  # (n, 3) int64: position in `groups`, row of the row group, global sample index


@dataclass(frozen=True)
class Shape:
    """How lanes make batches."""

    lanes: int
    batch_size: int
    window: int  # reads of row groups a window
    samples_per_row: int

    @property
    def per_lane(self) -> int:
        """Samples that a batch takes from each lane."""
        return self.batch_size // self.lanes

    def global_indices(self, lane: int, start: int, count: int) -> np.ndarray:
        """The global sample indices of `count` positions of a lane: (count,) int64."""
        step, within = np.divmod(np.arange(start, start + count), self.per_lane)
        return step * self.batch_size + lane * self.per_lane + within


@dataclass(frozen=True, eq=False)
class Plan:
    """All that the order of samples depends on."""

    groups: Sequence[TrainGroup]
    weights: Sequence[float] | None  # relative shares of the tables; None: every row once an epoch
    seed: int
    shape: Shape

    @cached_property
    def epoch_samples(self) -> int:
        """Samples of one epoch, mixed by weight or not."""
        return sum(len(group.rows) for group in self.groups) * self.shape.samples_per_row

    @property
    def lane_length(self) -> int:
        """Samples of a lane in one epoch; fewer than `lanes` samples of an epoch are left over."""
        return self.epoch_samples // self.shape.lanes

    def pieces(self, lanes: range, first_step: int, last_step: int) -> Iterator[Piece]:
        """What a worker that owns `lanes` reads for the steps first_step .. last_step - 1, in the order of need."""
        length = self.lane_length
        if length == 0:
            return
        begin, end = first_step * self.shape.per_lane, last_step * self.shape.per_lane  # lane positions
        for number in range(begin // length, (end - 1) // length + 1):
            epoch = _Epoch(self, number)
            first = number * length
            inside = range(max(begin - first, 0), min(end - first, length))
            # Spans are a few numbers; their samples are made when it is their turn.
            for span in heapq.merge(*(epoch.spans(lane, inside) for lane in lanes)):
                yield epoch.piece(span)


class _Span(NamedTuple):
    """Positions start .. end - 1 of a lane within an epoch, all of one window; sorted by need."""

    start: int
    lane: int
    end: int
    window: int


class _Epoch:
    """The sequence of samples of one epoch: known by its counts, made a window at a time."""

    def __init__(self, plan: Plan, number: int) -> None:
        self._plan, self._number = plan, number
        reads = epoch_reads(plan.groups, plan.weights, plan.seed, number)
        shuffled = np.random.default_rng((plan.seed, _EPOCH, number)).permutation(len(reads.group))
        self._reads = reads[shuffled]
        firsts = np.arange(0, len(shuffled), plan.shape.window)
        samples = np.add.reduceat(self._reads.count, firsts) * plan.shape.samples_per_row
        self._ends = np.cumsum(samples)  # of each window, in the sequence of the epoch

    def spans(self, lane: int, inside: range) -> Iterator[_Span]:
        """The positions `inside` of a lane, window by window."""
        first = lane * self._plan.lane_length
        at = inside.start
        while at < inside.stop:
            window = int(np.searchsorted(self._ends, first + at, side="right"))
            end = min(inside.stop, int(self._ends[window]) - first)
            yield _Span(at, lane, end, window)
            at = end

    def piece(self, span: _Span) -> Piece:
        """The samples of a span."""
        plan = self._plan
        groups, rows = self._window(span.window)
        key = (plan.seed, _WINDOW, self._number, span.window)
        shuffled = np.random.default_rng(key).permutation(len(rows) * plan.shape.samples_per_row)
        before = int(self._ends[span.window]) - len(shuffled)  # samples of the epoch before this window
        first = span.lane * plan.lane_length - before
        taken = shuffled[first + span.start : first + span.end] % len(rows)
        used, position = np.unique(groups[taken], return_inverse=True)
        start = self._number * plan.lane_length + span.start
        indices = plan.shape.global_indices(span.lane, start, len(taken))
        samples = np.stack([position, rows[taken], indices], axis=1)
        return Piece(span.lane, start, tuple(plan.groups[g].group for g in used), samples)

    def _window(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Group number and row of every row that a window reads: (n,) each."""
        size = self._plan.shape.window
        reads = self._reads[slice(number * size, (number + 1) * size)]
        rows = []
        for group, first, count in zip(reads.group, reads.first, reads.count, strict=True):
            own = self._plan.groups[group].rows
            rows.append(own[np.arange(first, first + count) % len(own)])
        return np.repeat(reads.group, reads.count), np.concatenate(rows)
