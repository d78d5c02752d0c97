"""What is kept of the held-out clips while they are measured."""

from __future__ import annotations

import torch

from trainer.batch import Batch
from trainer.config import PretrainConfig
from trainer.contrast import Contrast, Pairs
from trainer.momentum import Keys
from trainer.objective import Forward, Views
from trainer.precision import autocast
from trainer.watch.mode import evaluating
from trainer.watch.rank import Moments

_MOST_PAIRS = 4096


class Thinned:
    """Pairs of one direction, evenly spaced in the order in which they come, and never more than a few thousand.

    Where there are too many, every second one goes; which ones stay depends on nothing but their order.
    """

    def __init__(self, most: int = _MOST_PAIRS) -> None:
        self._most, self._stride, self._seen = most, 1, 0
        self._parts: list[Pairs] = []

    def add(self, pairs: Pairs) -> None:
        """Keep some of the pairs."""
        first = -self._seen % self._stride
        self._seen += len(pairs.video)
        self._parts.append(every(pairs, first, self._stride))
        while sum(len(part.video) for part in self._parts) > self._most:
            self._parts = [every(self.pairs(), 0, 2)]
            self._stride *= 2

    def pairs(self) -> Pairs:
        """All that were kept."""
        fields = ("query", "positive", "video", "name")
        return Pairs(*(torch.cat([getattr(part, field) for part in self._parts]) for field in fields))


def every(pairs: Pairs, first: int, stride: int) -> Pairs:
    """One pair in `stride`, from `first` on."""
    kept = (pairs.query, pairs.positive, pairs.video, pairs.name)
    return Pairs(*(value[first::stride] for value in kept))


class Collected:
    """Features and pairs of one held-out measurement, of this worker's videos."""

    def __init__(self, contrast: Contrast, config: PretrainConfig) -> None:
        self._contrast, self._config = contrast, config
        self.pairs: dict[int, Thinned] = {}  # by number of the direction
        self.moments: dict[
            str, Moments
        ] = {}  # of encoders (`video`, `audio`) and of projections that are trained

    def add(self, batch: Batch, views: Views, forward: Forward) -> None:
        """Look at a batch and at the answer of the model in evaluation mode."""
        out = forward.out
        keys = self._keys(batch, views, forward)
        projections = sorted({direction.query for direction in self._contrast.directions})
        for name in ("video", "audio", *projections):
            features = getattr(out, name)
            if features is not None:
                found = Moments.of(features)
                self.moments[name] = self.moments[name] + found if name in self.moments else found
        for number in range(len(self._contrast.directions)):
            pairs = self._contrast.pairs(number, out, keys, batch)
            self.pairs.setdefault(number, Thinned()).add(pairs)

    def _keys(self, batch: Batch, views: Views, forward: Forward) -> Keys:
        """Those of the momentum model where there is one."""
        momentum, out = self._contrast.momentum, forward.out
        if momentum is None:
            return Keys(out.v_vv, out.v_va, out.a_va, out.a_aa)
        with evaluating(momentum), autocast(self._config, batch.index.device):
            return momentum(views.video, views.audio)
