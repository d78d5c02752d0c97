"""Keyed Gumbel noise: right in distribution, and a function of (row, column, seed) alone."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from trainer.noise import from_bits, gumbel


def test_it_is_standard_gumbel_and_uncorrelated():
    noise = gumbel(torch.arange(200), 500, seed=0)
    assert noise.shape == (200, 500)
    assert noise.dtype == torch.float32
    assert bool(torch.isfinite(noise).all())
    assert stats.kstest(noise.flatten().numpy()[::7], "gumbel_r").pvalue > 1e-3
    assert float(noise.mean()) == pytest.approx(0.5772, abs=0.02)
    assert float(noise.var()) == pytest.approx(math.pi**2 / 6, abs=0.05)
    for other in (noise.roll(1, 0), noise.roll(1, 1)):
        assert abs(float(torch.corrcoef(torch.stack([noise.flatten(), other.flatten()]))[0, 1])) < 0.015


def test_a_row_has_its_noise_whoever_asks_for_it():
    rows = torch.tensor([5, -7, 2**62, 2**33 + 5])
    together = gumbel(rows, 64, seed=1)
    for i, row in enumerate(rows):
        assert torch.equal(gumbel(row[None], 64, seed=1)[0], together[i])
    assert torch.equal(gumbel(rows, 32, seed=1), together[:, :32])
    assert not torch.equal(gumbel(rows, 64, seed=2), together)
    assert len({tuple(r) for r in together.tolist()}) == 4


def test_the_extremes_of_the_bits_give_finite_noise():
    """The least and the largest u are 2^-24 and 1 - 2^-24; neither rounds to 0 or 1."""
    extremes = [
        -(2**31),
        -1,
        0,
        2**31 - 1,
        0x1FF,
        -0x200,
    ]  # all zeros and ones among them, and their neighbours
    noise = from_bits(torch.tensor(extremes, dtype=torch.int32))
    assert bool(torch.isfinite(noise).all())
    k = [(bits & 0xFFFFFFFF) >> 9 for bits in extremes]
    wanted = [-math.log(-math.log((one + 0.5) / 2**23)) for one in k]
    assert noise.tolist() == pytest.approx(wanted, rel=1e-5)
    assert (min(k), max(k)) == (0, 2**23 - 1)
