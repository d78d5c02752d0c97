"""Accuracy of the seven heads on held-out videos, beside chance, with intervals over videos."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from trainer.batch import Batch
from trainer.config import HEADS, PretrainConfig
from trainer.dist import gather_objects
from trainer.model import AudioVisualModel
from trainer.objective import Forward, Views, run_model, see
from trainer.sound import LogMel

_BOOTSTRAP = 2000


@dataclass
class Tally:
    """Per video: items asked, guessed right, and the sums of two reference levels."""

    asked: dict[str, float] = field(default_factory=dict)
    right: dict[str, float] = field(default_factory=dict)
    chance: float = 0.0
    prior: float = 0.0

    def add(self, videos: list[str], right: Tensor, chance: Tensor, prior: Tensor) -> None:
        """Count one batch: (n,) each."""
        for video, hit in zip(videos, right.tolist(), strict=True):
            self.asked[video] = self.asked.get(video, 0) + 1
            self.right[video] = self.right.get(video, 0) + float(hit)
        self.chance += float(chance.sum())
        self.prior += float(prior.sum())

    def merge(self, other: Tally) -> None:
        """Add another worker's count."""
        for video, asked in other.asked.items():
            self.asked[video] = self.asked.get(video, 0) + asked
            self.right[video] = self.right.get(video, 0) + other.right[video]
        self.chance += other.chance
        self.prior += other.prior


@torch.no_grad()
def heldout_accuracies(
    model: AudioVisualModel,
    log_mel: LogMel | None,
    batches: Iterable[Batch],
    config: PretrainConfig,
    device: torch.device,
    observe: Callable[[Batch, Views, Forward], None] | None = None,
) -> dict[str, dict[str, float | int | None]]:
    """Head -> {value, chance, n, low, high, duration_baseline, videos}; `value` is None where nothing was asked.

    `chance` is the mean of 1 / |classes that the item could have had|; `duration_baseline` is what a guess of the
    likeliest class from the segment's duration alone would score. `observe` is shown every batch and its answer.
    """
    tallies = {head: Tally() for head in HEADS}
    model.eval()
    for batch in batches:
        moved = batch.to(device)
        views = see(log_mel, moved, config)
        forward = run_model(model, views, moved, config)
        _count(tallies, forward, moved)
        if observe is not None:
            observe(moved, views, forward)
    model.train()
    for other in gather_objects(tallies)[1:]:
        for head in HEADS:
            tallies[head].merge(other[head])
    return {head: summarise(tallies[head], config.seed) for head in HEADS}


def summarise(tally: Tally, seed: int) -> dict[str, float | int | None]:
    """Accuracy with a 95 % bootstrap interval over videos (several clips of one video are not independent).

    One video says nothing of others: its interval is 0 to 1.
    """
    n = int(sum(tally.asked.values()))
    if n == 0:
        return {"value": None, "chance": None, "n": 0, "low": None, "high": None}
    videos = sorted(tally.asked)
    asked = np.array([tally.asked[v] for v in videos])
    right = np.array([tally.right[v] for v in videos])
    drawn = np.random.default_rng(seed).integers(len(videos), size=(_BOOTSTRAP, len(videos)))
    scores = right[drawn].sum(axis=1) / asked[drawn].sum(axis=1)
    low, high = np.quantile(scores, [0.025, 0.975]) if len(videos) > 1 else (0.0, 1.0)
    return {
        "value": float(right.sum() / n),
        "chance": tally.chance / n,
        "n": n,
        "low": float(low),
        "high": float(high),
        "duration_baseline": tally.prior / n,
        "videos": len(videos),
    }


def _count(tallies: dict[str, Tally], forward: Forward, batch: Batch) -> None:
    out = forward.out
    for side, labels, rows in (("v", batch.video, batch.video_row), ("a", batch.audio, batch.audio_row)):
        speed, direction = getattr(out, f"speed_{side}"), getattr(out, f"direction_{side}")
        if speed is None:
            continue
        owners = [batch.video_ids[i] for i in range(len(batch)) for k in range(2) if rows[i, k] >= 0]
        valid = labels.speed_valid
        tallies[f"speed_{side}"].add(
            [owner for owner, ok in zip(owners, valid.tolist(), strict=True) if ok],
            (speed.argmax(1) == labels.speed)[valid],
            (1 / labels.feasible)[valid],
            labels.largest[valid],
        )
        half = torch.full((len(owners),), 0.5)
        tallies[f"direction_{side}"].add(owners, direction.argmax(1) == labels.backward, half, half)
    for head, pairs in forward.pairs.items():
        if head not in forward.order:
            continue
        third = torch.full((len(pairs.label),), 1 / 3)
        owners = [batch.video_ids[i] for i in pairs.sample.tolist()]
        tallies[head].add(owners, forward.order[head].argmax(1) == pairs.label, third, third)
