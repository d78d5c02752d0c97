"""All statistics of one held-out measurement: sums over a worker's videos that add up over workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from trainer.config import PretrainConfig
from trainer.contrast import Contrast
from trainer.watch.collect import Collected
from trainer.watch.labels import Labels
from trainer.watch.positives import SameLabel, same_label
from trainer.watch.rank import Moments, collapsed, effective_rank
from trainer.watch.similarity import Similarity, compare


@dataclass
class Statistics:
    """By contrastive term (`vv`, `va`, `aa`), and by features and projection."""

    similarity: dict[str, Similarity] = field(default_factory=dict)
    same_label: dict[str, SameLabel] = field(default_factory=dict)
    moments: dict[str, Moments] = field(default_factory=dict)

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(
            _added(self.similarity, other.similarity),
            _added(self.same_label, other.same_label),
            _added(self.moments, other.moments),
        )

    def metrics(self) -> dict[str, float]:
        """Everything by the name under which it is logged."""
        found: dict[str, float] = {}
        for term, similarity in self.similarity.items():
            found |= similarity.metrics(f"similarity/{term}")
        for term, shares in self.same_label.items():
            found |= shares.metrics(f"positives/{term}")
        for name, moments in self.moments.items():
            found |= moments.metrics(name)
        return found

    def collapses(self, threshold: float) -> dict[str, float]:
        """Effective rank of each projection for which it is below `threshold`."""
        return {
            name: effective_rank(moments)
            for name, moments in self.moments.items()
            if name not in ("video", "audio") and collapsed(moments, threshold)
        }


@torch.no_grad()
def statistics(
    collected: Collected, contrast: Contrast, labels: Labels | None, config: PretrainConfig
) -> Statistics:
    """What this worker's part of the measurement comes to; `labels`: of the training tables, if known."""
    found = Statistics(moments={name: moments.cpu() for name, moments in collected.moments.items()})
    for number, thinned in collected.pairs.items():
        direction, pairs = contrast.directions[number], thinned.pairs()
        alike = {direction.term: compare(pairs.query, pairs.positive, pairs.video)}
        found.similarity = _added(found.similarity, alike)
        stored = contrast.entries(direction.key)
        if labels is not None and stored is not None and config.loss.n_positives:
            shares = same_label(pairs, *stored, labels, config.loss, config.seed)
            found.same_label = _added(found.same_label, {direction.term: shares})
    return found


def _added(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = {name: one[name] + other[name] for name in one.keys() & other.keys()}
    return {name: both[name] if name in both else {**one, **other}[name] for name in [*one, *other]}
