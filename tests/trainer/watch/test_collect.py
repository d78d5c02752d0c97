"""What is kept of a measurement: all moments, and evenly spaced pairs."""

from __future__ import annotations

import torch

from trainer.contrast import Pairs
from trainer.watch.collect import Thinned


def pairs(first: int, count: int) -> Pairs:
    name = torch.arange(first, first + count)
    return Pairs(name[:, None].float(), -name[:, None].float(), name, name)


def test_few_pairs_are_all_kept_in_order():
    thinned = Thinned(most=10)
    for first, count in ((0, 4), (4, 0), (4, 6)):
        thinned.add(pairs(first, count))
    kept = thinned.pairs()
    assert kept.name.tolist() == list(range(10))
    assert kept.positive[:, 0].tolist() == [-i for i in range(10)]


def test_many_pairs_are_thinned_evenly_however_they_come():
    whole, dribs = Thinned(most=10), Thinned(most=10)
    whole.add(pairs(0, 33))
    for first in range(0, 33, 3):
        dribs.add(pairs(first, 3))
    assert whole.pairs().name.tolist() == dribs.pairs().name.tolist() == list(range(0, 33, 4))
