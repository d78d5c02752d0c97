"""Differences and their intervals against cases computed by hand, and how often an interval holds the truth."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.ablate.differences import Difference, crossed, over_seeds

T2, T3 = 4.302653, 3.182446  # Student's t at 97.5 %, 2 and 3 degrees of freedom


def ends(found: Difference) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def even(n: int) -> np.ndarray:
    return np.full(n, 1 / n)


def test_over_seeds_is_students_t() -> None:
    # Differences -.1, -.2, -.3: mean -.2, deviation .1.
    found = over_seeds([0.5, 0.5, 0.5], [0.4, 0.3, 0.2])
    reach = T2 * 0.1 / np.sqrt(3)
    assert found.value == pytest.approx(-0.2)
    assert ends(found) == pytest.approx((-0.2 - reach, -0.2 + reach), abs=1e-6)
    assert (found.over, found.clear) == ("seeds", False)


def test_one_seed_has_no_interval_over_seeds() -> None:
    assert over_seeds([0.5], [0.4]) == Difference(pytest.approx(-0.1))
    assert not over_seeds([0.5], [0.4]).clear


def test_one_seed_is_students_t_over_videos() -> None:
    # 1, 0, 0, 0: mean 1/4, variance 1/4, error of the mean sqrt(1/16).
    found = crossed(np.array([[1.0, 0.0, 0.0, 0.0]]), even(4), np.arange(4))
    assert found.value == pytest.approx(0.25)
    assert ends(found) == pytest.approx((0.25 - T3 / 4, 0.25 + T3 / 4), abs=1e-6)
    assert found.over == "videos"


def test_seeds_and_videos_without_interaction_add_up() -> None:
    # Means of seeds .3 and .1, of videos .3 and .1: each gives a variance of .02 / 2; nothing is left over.
    # Degrees of freedom: .02^2 / (.01^2 + .01^2) = 2.
    found = crossed(np.array([[0.4, 0.2], [0.2, 0.0]]), even(2), np.arange(2))
    reach = T2 * np.sqrt(0.02)
    assert found.value == pytest.approx(0.2)
    assert ends(found) == pytest.approx((0.2 - reach, 0.2 + reach), abs=1e-6)
    assert found.over == "seeds and videos"


def test_interaction_is_not_counted_twice() -> None:
    # Seeds' means 1/2 and 1/2, videos' means 1/2 and 1/2: all there is is interaction, rest = +-1/2, df 1.
    # By subtraction the variance would be 0 + 0 - 1/4: the larger part, 0, stands alone.
    found = crossed(np.array([[1.0, 0.0], [0.0, 1.0]]), even(2), np.arange(2))
    assert ends(found) == pytest.approx((0.5, 0.5))


def test_items_of_a_group_are_one_unit() -> None:
    d = np.array([[1.0, 1.0, 0.0, 0.0, 0.0, 0.0]])
    found = crossed(d, even(6), np.array([0, 0, 1, 1, 2, 2]))
    # Three units 1, 0, 0: mean 1/3, variance 1/3, error of the mean 1/3.
    assert ends(found) == pytest.approx((1 / 3 - T2 / 3, 1 / 3 + T2 / 3), abs=1e-6)
    alone = crossed(d, even(6), np.arange(6))
    assert ends(alone)[1] < ends(found)[1]


def test_uneven_weights_give_the_weighted_mean() -> None:
    # Two folds of 1 and of 3 items count alike.
    d = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 1.0]])
    found = crossed(d, np.array([1 / 2, 1 / 6, 1 / 6, 1 / 6]), np.arange(4))
    assert found.value == pytest.approx(0.5)


def test_one_video_leaves_the_seeds() -> None:
    found = crossed(np.array([[0.1], [0.2], [0.3]]), even(1), np.zeros(1, np.int64))
    assert found.over == "seeds"
    assert ends(found) == pytest.approx((0.2 - T2 * 0.1 / np.sqrt(3), 0.2 + T2 * 0.1 / np.sqrt(3)), abs=1e-6)
    assert crossed(np.array([[0.1]]), even(1), np.zeros(1, np.int64)).over is None


@pytest.mark.parametrize(("by_seed", "by_video"), [(0.1, 0.05), (0.02, 0.5), (0.0, 0.4)])
def test_nineteen_of_twenty_intervals_hold_the_truth(by_seed: float, by_video: float) -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(400):
        seeds, videos = rng.normal(0, by_seed, (3, 1)), rng.normal(0, by_video, (1, 60))
        found = crossed(seeds + videos + rng.normal(0, 0.4, (3, 60)), even(60), np.arange(60))
        low, high = ends(found)
        held += low <= 0 <= high
    assert 0.92 <= held / 400 <= 1.0
