"""The order of samples: a pure function of (seed, epoch, table versions).

Row groups are shuffled over all tables and taken a window at a time; the samples of a window are shuffled among
themselves; the resulting sequence is cut into equal *lanes*. A batch takes the same number of samples from every
lane, and a worker owns whole lanes: so the global batch does not depend on the number of workers, and a row group is
read once an epoch, by one worker, but for those of a window in which a lane begins (of a table with fewer windows
than lanes, that is every row group).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.table import RowGroup


@dataclass(frozen=True)
class TrainGroup:
    """A row group and those of its rows that may be trained on."""

    group: RowGroup
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Piece:
    """Consecutive samples of one lane that come from one window of row groups.

    `samples`: (position in `groups`, row, global sample index) each.
    """

    lane: int
    start: int  # the lane's position of the first sample
    groups: tuple[RowGroup, ...]
    samples: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Shape:
    """How lanes make batches."""

    lanes: int
    batch_size: int
    window: int  # row groups a window
    samples_per_row: int

    @property
    def per_lane(self) -> int:
        """Samples that a batch takes from each lane."""
        return self.batch_size // self.lanes

    def global_index(self, lane: int, position: int) -> int:
        """The global sample index of a lane's position."""
        step, within = divmod(position, self.per_lane)
        return step * self.batch_size + lane * self.per_lane + within


def lane_length(groups: Sequence[TrainGroup], shape: Shape) -> int:
    """Samples of a lane in one epoch; fewer than `lanes` samples of an epoch are left over."""
    return sum(len(g.rows) for g in groups) * shape.samples_per_row // shape.lanes


def epoch_pieces(groups: Sequence[TrainGroup], seed: int, epoch: int, shape: Shape) -> list[Piece]:
    """All lanes' pieces of one epoch, in the order in which they are needed."""
    rng = np.random.default_rng((seed, 1, epoch))
    order = rng.permutation(len(groups))
    entries: list[tuple[int, int, int]] = []  # (window, group, row)
    windows = [order[i : i + shape.window] for i in range(0, len(order), shape.window)]
    for number, window in enumerate(windows):
        inside = [(number, int(g), row) for g in window for row in groups[g].rows] * shape.samples_per_row
        entries += [inside[i] for i in rng.permutation(len(inside))]
    length = lane_length(groups, shape)
    first = epoch * length
    pieces = []
    for lane in range(shape.lanes):
        mine = entries[lane * length : (lane + 1) * length]
        at = 0
        while at < length:
            end = at
            while end < length and mine[end][0] == mine[at][0]:
                end += 1
            pieces.append(_piece(groups, mine[at:end], lane, first + at, shape))
            at = end
    return sorted(pieces, key=lambda piece: (piece.start, piece.lane))


def _piece(
    groups: Sequence[TrainGroup], entries: list[tuple[int, int, int]], lane: int, start: int, shape: Shape
) -> Piece:
    used = sorted({group for _, group, _ in entries})
    position = {group: i for i, group in enumerate(used)}
    samples = tuple(
        (position[group], row, shape.global_index(lane, start + i))
        for i, (_, group, row) in enumerate(entries)
    )
    return Piece(lane, start, tuple(groups[g].group for g in used), samples)


def worker_pieces(
    groups: Sequence[TrainGroup], seed: int, shape: Shape, lanes: range, first_step: int, last_step: int
) -> Iterator[Piece]:
    """The pieces that a worker owning `lanes` reads for the steps first_step .. last_step - 1, in order."""
    length = lane_length(groups, shape)
    if length == 0:
        return
    begin, end = first_step * shape.per_lane, last_step * shape.per_lane  # lane positions
    for epoch in range(begin // length, (end - 1) // length + 1):
        for piece in epoch_pieces(groups, seed, epoch, shape):
            cut = _trim(piece, begin, end)
            if piece.lane in lanes and cut is not None:
                yield cut


def _trim(piece: Piece, begin: int, end: int) -> Piece | None:
    """The part of a piece between two lane positions."""
    low, high = max(piece.start, begin), min(piece.start + len(piece.samples), end)
    if low >= high:
        return None
    samples = piece.samples[low - piece.start : high - piece.start]
    return Piece(piece.lane, low, piece.groups, samples)
