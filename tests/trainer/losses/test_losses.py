"""Each loss against a slow, obvious float64 reference, and a gradient check."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from trainer.losses.contrastive import Usual, contrastive_loss
from trainer.losses.direction import direction_loss
from trainer.losses.extras import Extras
from trainer.losses.order import order_loss, order_pairs
from trainer.losses.speed import speed_loss
from trainer.losses.term import cross_entropy


def unit(n: int, d: int, seed: int) -> torch.Tensor:
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x / x.norm(dim=1, keepdim=True)


def slow_contrastive(query, query_video, positive, keys, key_video, tau) -> float:
    losses = []
    for i in range(len(query)):
        e = math.exp(float(np.dot(query[i], positive[i])) / tau)
        rest = sum(
            math.exp(float(np.dot(query[i], keys[j])) / tau)
            for j in range(len(keys))
            if key_video[j] != query_video[i]
        )
        losses.append(-math.log(e / (e + rest)))
    return float(np.mean(losses))


def test_contrastive_against_the_formula():
    query, positive = unit(6, 5, 0), unit(6, 5, 1)
    video = torch.tensor([1, 2, 3, 3, 4, 5])  # two queries of one video are no negatives of each other
    keys = torch.cat([positive, unit(4, 5, 2)])
    key_video = torch.cat([video, torch.tensor([1, 7, 8, 9])])
    term = contrastive_loss(Usual(query, video, positive, keys, key_video), 0.1)
    slow = slow_contrastive(query.numpy(), video, positive.numpy(), keys.numpy(), key_video, 0.1)
    assert float(term.mean) == pytest.approx(slow, rel=1e-5)
    assert float(term.count) == 6


def test_contrastive_with_identical_logits_is_log_of_one_plus_the_negatives():
    same = unit(1, 8, 3).expand(9, 8)
    video = torch.arange(9)
    loss = float(contrastive_loss(Usual(same, video, same, same, video), 0.1).mean)
    assert loss == pytest.approx(math.log(9), rel=1e-5)


def test_contrastive_with_independent_keys_is_near_its_expectation():
    d, tau, n = 128, 0.1, 512
    query, keys, video = unit(n, d, 4), unit(n, d, 5), torch.arange(n)
    loss = float(contrastive_loss(Usual(query, video, keys, keys, video), tau).mean)
    assert loss == pytest.approx(math.log(n) + 1 / (2 * d * tau**2), abs=0.1)


def test_contrastive_gradient():
    query, positive, keys = unit(3, 4, 6), unit(3, 4, 7), unit(5, 4, 8)
    video, key_video = torch.arange(3), torch.arange(5)
    query.requires_grad_()
    contrastive_loss(Usual(query, video, positive, keys, key_video), 0.5).mean.backward()
    for i in range(3):
        for j in range(4):
            ends = []
            for step in (1e-5, -1e-5):
                moved = query.detach().numpy().copy()
                moved[i, j] += step
                ends.append(slow_contrastive(moved, video, positive.numpy(), keys.numpy(), key_video, 0.5))
            assert float(query.grad[i, j]) == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-4)


def some_extras(n: int, m: int, n_positives: int) -> Extras:
    rng = torch.Generator().manual_seed(11)
    positive = torch.stack([torch.randperm(m, generator=rng)[:n_positives] for _ in range(n)])
    has = torch.ones(n, n_positives, dtype=torch.bool)
    has[0] = False  # a query that found none
    negative = torch.rand(n, m, generator=rng) < 0.4
    negative[1] = False
    return Extras(positive, has, negative.scatter(1, positive, False))


@pytest.mark.parametrize("n_positives", [0, 1, 2])
def test_contrastive_with_extras_against_the_formula(kit, n_positives):
    video = torch.tensor([1, 2, 3, 3])
    keys = unit(4, 5, 21)
    usual = Usual(unit(4, 5, 20).float(), video, keys.float(), keys.float(), video)
    bank, extras = unit(9, 5, 22).float(), some_extras(4, 9, n_positives)
    loss = contrastive_loss(usual, 0.2, bank, extras).mean
    assert float(loss) == pytest.approx(kit.slow_with_extras(usual, 0.2, bank, extras), rel=1e-5)


def test_contrastive_with_extras_has_the_gradient_of_the_formula(kit):
    video = torch.arange(3)
    keys = unit(3, 4, 24).float()
    query = unit(3, 4, 23).float().requires_grad_()
    usual = Usual(query, video, keys, keys, video)
    bank, extras = unit(7, 4, 25).float(), some_extras(3, 7, 1)
    contrastive_loss(usual, 0.5, bank, extras).mean.backward()
    for i, j in [(0, 0), (1, 2), (2, 3)]:
        ends = []
        for step in (1e-3, -1e-3):
            moved = query.detach().clone()
            moved[i, j] += step
            ends.append(kit.slow_with_extras(Usual(moved, video, keys, keys, video), 0.5, bank, extras))
        assert float(query.grad[i, j]) == pytest.approx((ends[0] - ends[1]) / 2e-3, abs=1e-3)


def test_a_single_video_without_any_negative_costs_nothing_and_has_a_finite_gradient():
    query, key = unit(2, 4, 26).float().requires_grad_(), unit(2, 4, 27).float()
    video = torch.tensor([5, 5])
    term = contrastive_loss(Usual(query, video, key, key, video), 0.1)
    term.mean.backward()
    assert float(term.mean) == 0
    assert bool(torch.isfinite(query.grad).all())


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_cross_entropy_against_the_formula_and_its_gradient(classes):
    logits = torch.randn(7, classes, generator=torch.Generator().manual_seed(9)).requires_grad_()
    labels = torch.arange(7) % classes
    term = cross_entropy(logits, labels)
    p = np.exp(logits.detach().double().numpy())
    p /= p.sum(axis=1, keepdims=True)
    assert float(term.mean) == pytest.approx(-np.log(p[np.arange(7), labels]).mean(), rel=1e-5)
    assert float(term.accuracy) == pytest.approx((p.argmax(1) == labels.numpy()).mean())
    term.mean.backward()
    expected = (p - np.eye(classes)[labels]) / 7
    np.testing.assert_allclose(logits.grad.numpy(), expected, atol=1e-6)


def test_zero_logits_cost_the_logarithm_of_the_classes():
    four, two, three = torch.zeros(5, 4), torch.zeros(5, 2), torch.zeros(5, 3)
    label, valid = torch.zeros(5, dtype=torch.int64), torch.ones(5, dtype=torch.bool)
    assert float(speed_loss(four, label, valid).mean) == pytest.approx(math.log(4))
    assert float(direction_loss(two, label).mean) == pytest.approx(math.log(2))
    assert float(order_loss(three, label).mean) == pytest.approx(math.log(3))


def test_speed_counts_only_clips_that_may_be_asked():
    logits = torch.randn(4, 4, generator=torch.Generator().manual_seed(1))
    label = torch.tensor([0, 1, 2, 3])
    valid = torch.tensor([True, False, True, False])
    assert float(speed_loss(logits, label, valid).mean) == pytest.approx(
        float(cross_entropy(logits[[0, 2]], label[[0, 2]]).mean)
    )


def test_a_batch_without_a_modality_costs_nothing_and_has_a_gradient_of_zero():
    logits = torch.zeros(0, 2, requires_grad=True)
    term = direction_loss(logits, torch.zeros(0, dtype=torch.int64))
    term.mean.backward()
    assert float(term.mean) == 0
    assert float(term.count) == 0


def test_only_the_target_pair_counts_and_audio_first_is_mirrored():
    target = torch.tensor([0, 1, 2, 3, -1])  # (v1, v2), (a1, a2), (v1, a2), (a1, v2), none
    order = torch.tensor([0, 1, 2, 0, -1])
    rows = torch.tensor([[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]])
    pairs = order_pairs(target, order, rows, rows + 100)
    assert (pairs["order_vv"].first.tolist(), pairs["order_vv"].second.tolist()) == ([0], [1])
    assert (pairs["order_aa"].first.tolist(), pairs["order_aa"].second.tolist()) == ([102], [103])
    across = pairs["order_va"]
    assert (across.first.tolist(), across.second.tolist()) == ([4, 7], [105, 106])
    # a1 before v2 is the same as v2 after a1
    assert across.label.tolist() == [2, 2]
    assert across.sample.tolist() == [2, 3]
