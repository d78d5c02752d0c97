"""The effective rank of matrices whose singular values are known; what counts as a collapse."""

from __future__ import annotations

import math

import pytest
import torch

from trainer.watch.rank import Moments, collapsed, dead_share, effective_rank


def normal(rows: int, columns: int) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))


def test_the_effective_rank_is_the_exponential_of_the_entropy_of_the_singular_values():
    assert effective_rank(Moments.of(torch.eye(5))) == pytest.approx(5)
    # Singular values 3 and 1: shares 3/4 and 1/4.
    expected = math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert effective_rank(Moments.of(torch.diag(torch.tensor([3.0, 1.0])))) == pytest.approx(expected)
    features = normal(300, 16)
    values = torch.linalg.svdvals(features.double())
    share = values / values.sum()
    assert effective_rank(Moments.of(features)) == pytest.approx(math.exp(-(share * share.log()).sum()))


def test_sums_of_parts_are_those_of_the_whole():
    features = normal(40, 8)
    parts = Moments.of(features[:13]) + Moments.of(features[13:])
    assert parts.n == 40
    assert effective_rank(parts) == pytest.approx(effective_rank(Moments.of(features)))


def test_constant_features_have_collapsed_and_random_ones_have_not():
    spread = torch.nn.functional.normalize(normal(200, 64))
    constant = spread[:1].expand(200, -1)
    jittered = torch.nn.functional.normalize(constant + 1e-3 * normal(200, 64))  # rounding, and then some
    assert not collapsed(Moments.of(spread), 2.0)
    assert collapsed(Moments.of(constant), 2.0)
    assert collapsed(Moments.of(jittered), 2.0)
    assert effective_rank(Moments.of(constant)) == pytest.approx(1.0)
    assert effective_rank(Moments.of(torch.zeros(200, 64))) == 0.0


def test_a_handful_of_rows_tells_nothing():
    constant = torch.ones(16, 4)
    assert collapsed(Moments.of(constant), 2.0)
    assert not collapsed(Moments.of(constant[:15]), 2.0)
    assert not collapsed(Moments.of(constant), 0.0)  # a threshold of 0 is off


def test_dead_dimensions_are_those_that_do_not_vary():
    features = normal(100, 10)
    features[:, 0] = 0.0
    features[:, 1] = 5.0
    assert dead_share(Moments.of(features)) == pytest.approx(0.2)
    assert dead_share(Moments.of(1e-6 * features)) == pytest.approx(0.2)  # whatever the scale
    assert dead_share(Moments.of(torch.ones(100, 10))) == 1.0
