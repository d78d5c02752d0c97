"""The floor of every number: the same network with random weights, its norms fitted to the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from evaluation.embedder import ClipRequest, ClipShape, clip_batches
from evaluation.features import Plan
from pipelines.table import RowGroup, read_row_group

if TYPE_CHECKING:
    from torch import Tensor

    from trainer.export import Export

_T = TypeVar("_T")
_CLIPS, _BATCH, _ROW_GROUPS = 64, 32, 8


def random_weights(
    export: Export,
    seed: int,
    plan: Plan,
    owners: Sequence[int],
    groups: Sequence[RowGroup],
    shape: ClipShape,
) -> dict[str, Tensor]:
    """Weights of the random twin, with the statistics of its batch norms from clips of the videos `owners`.

    No label is used. Without this the twin's norms would pass everything through as it is, and random weights would
    look worse than they are (and differ much from seed to seed).
    """
    twin = export.random_twin(seed)
    with torch.random.fork_rng(devices=[]):
        twin.settle_norms(**{shape.modality: _some_batches(plan, owners, groups, shape)})
    return twin.weights()


def _some_batches(
    plan: Plan, owners: Sequence[int], groups: Sequence[RowGroup], shape: ClipShape
) -> list[np.ndarray]:
    """A few clips from row groups spread over the table, in batches of one shape each."""
    wanted = set(owners)
    mine = {
        group: [request for request in requests if request.owner in wanted]
        for group, requests in plan.requests.items()
    }
    held = sorted(group for group, requests in mine.items() if requests)
    picked = _spread(held, _ROW_GROUPS)
    column = "frames" if shape.modality == "video" else "audio"
    batches: list[np.ndarray] = []
    for group in picked:
        requests: list[ClipRequest] = _spread(mine[group], max(1, _CLIPS // len(picked)))
        rows = read_row_group(groups[group], [column])
        batches += [batch for batch, _ in clip_batches(rows, requests, shape, _BATCH)]
    return batches


def _spread(items: Sequence[_T], count: int) -> list[_T]:
    """Up to `count` of the items, evenly spaced."""
    at = np.unique(np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int))
    return [items[i] for i in at]
