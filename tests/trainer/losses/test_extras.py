"""Extra positives and negatives: who may be drawn, how many, and how often."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from trainer.config import LossConfig
from trainer.losses.extras import draw_extras
from trainer.noise import gumbel


def unit(n: int, d: int, seed: int) -> torch.Tensor:
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(x, dim=1)


def config(**changes: float) -> LossConfig:
    return LossConfig(**({"n_positives": 1, "n_top": 5, "n_negatives": 4096} | changes))


def test_counts_exclusions_and_the_skipped_share():
    n, m = 16, 1000
    key, bank = unit(n, 16, 0), unit(m, 16, 1)
    video = torch.arange(n)
    bank_video = torch.arange(m) % 40  # every query has 25 entries of its own video
    settings = config(n_negatives=400, skip_share=0.02)
    extras = draw_extras(key, video, bank, bank_video, gumbel(torch.arange(n), m, 0), settings)
    similar = (key @ bank.T).masked_fill(video[:, None] == bank_video[None], -torch.inf)
    order = similar.argsort(dim=1, descending=True)
    assert (
        extras.negative.sum(dim=1).tolist() == [250] * n
    )  # a quarter of the bank, though 400 were asked for
    assert bool(extras.has_positive.all())
    for i in range(n):
        assert int(extras.positive[i, 0]) in order[i, :5].tolist()
        assert not extras.negative[i, order[i, :20]].any()  # 2 % of 1000 are skipped
        assert not extras.negative[i, bank_video == video[i]].any()


def test_at_least_the_nearest_candidates_are_skipped():
    key, bank = unit(8, 8, 2), unit(40, 8, 3)
    extras = draw_extras(
        key, torch.arange(8), bank, torch.arange(100, 140), gumbel(torch.arange(8), 40, 0), config(n_top=7)
    )
    nearest = (key @ bank.T).topk(7, dim=1).indices
    assert not extras.negative.gather(1, nearest).any()
    assert extras.negative.sum(dim=1).tolist() == [10] * 8


def test_a_bank_of_the_querys_own_video_gives_nothing():
    extras = draw_extras(
        unit(2, 4, 4),
        torch.tensor([7, 8]),
        unit(12, 4, 5),
        torch.full((12,), 7),
        gumbel(torch.arange(2), 12, 0),
        config(),
    )
    assert extras.has_positive[:, 0].tolist() == [False, True]
    assert extras.negative.sum(dim=1).tolist() == [0, 3]


def test_none_are_drawn_where_none_are_wanted():
    settings = config(n_positives=0, n_negatives=0)
    extras = draw_extras(
        unit(2, 4, 4), torch.arange(2), unit(12, 4, 5), torch.arange(12), torch.zeros(2, 12), settings
    )
    assert extras.positive.shape == (2, 0)
    assert not extras.negative.any()


def test_first_draws_follow_the_softmax_of_the_key():
    """Chi-square over 20,000 queries with one and the same key."""
    n, tau = 20_000, 0.3
    key, bank = unit(1, 6, 6), unit(60, 6, 7)
    noise = gumbel(torch.arange(n), 60, seed=3)
    settings = config(n_negatives=1, tau_positive=tau, tau_negative=tau)
    video, bank_video = torch.zeros(n, dtype=torch.int64), torch.arange(1, 61)
    extras = draw_extras(key.expand(n, -1), video, bank, bank_video, noise, settings)
    similar = (key @ bank.T)[0]
    order = similar.argsort(descending=True)
    for drawn, among in ((extras.positive[:, 0], order[:5]), (extras.negative.int().argmax(1), order[5:])):
        p = torch.softmax(similar[among].double() / tau, dim=0).numpy()
        counts = torch.bincount(drawn, minlength=60)[among].numpy()
        assert counts.sum() == n
        assert stats.chisquare(counts, p / p.sum() * n).pvalue > 1e-3


def test_draws_without_replacement_follow_plackett_luce():
    """Pairs drawn from five entries against exact enumeration: inclusion is not proportional to the weights."""
    n, tau = 30_000, 0.5
    key, bank = unit(1, 4, 8), unit(5, 4, 9)
    noise = gumbel(torch.arange(n), 5, seed=4)
    settings = config(n_positives=2, n_negatives=0, tau_positive=tau)
    video, bank_video = torch.zeros(n, dtype=torch.int64), torch.arange(1, 6)
    drawn = draw_extras(key.expand(n, -1), video, bank, bank_video, noise, settings).positive.numpy()
    w = np.exp((key @ bank.T)[0].double().numpy() / tau)
    pairs = list(itertools.permutations(range(5), 2))
    p = np.array([w[a] / w.sum() * w[b] / (w.sum() - w[a]) for a, b in pairs])
    counts = np.array([((drawn[:, 0] == a) & (drawn[:, 1] == b)).sum() for a, b in pairs])
    assert counts.sum() == n
    assert p.sum() == pytest.approx(1)
    assert stats.chisquare(counts, p * n).pvalue > 1e-3
