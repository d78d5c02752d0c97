from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binomtest, permutation_test
from sklearn.metrics import top_k_accuracy_score
from sklearn.metrics.pairwise import cosine_similarity

from evaluation.metrics import (
    bootstrap_interval,
    chance_recall_at_k,
    cosine_ranking,
    group_means,
    hits_at_k,
    in_top_k,
    l2_normalised,
    proportion_interval,
    sign_flip_p,
    wilson,
)


def test_recall_by_hand() -> None:
    gallery = np.array([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]])
    gallery_labels = np.array(["a", "b", "c"])
    queries = np.array([[0.9, 0.1], [0.6, 0.5], [-0.5, 0.4]])  # nearest first: a b c; a b c; c b a
    labels = np.array(["a", "b", "a"])
    ranking = cosine_ranking(queries, gallery, seed=0)
    assert ranking.tolist() == [[0, 1, 2], [0, 1, 2], [2, 1, 0]]
    assert hits_at_k(ranking, labels, gallery_labels, 1).tolist() == [1, 0, 0]
    assert hits_at_k(ranking, labels, gallery_labels, 2).tolist() == [1, 1, 0]
    assert hits_at_k(ranking, labels, gallery_labels, 3).tolist() == [1, 1, 1]


def test_ranking_equals_scikit_learn_whatever_the_lengths() -> None:
    rng = np.random.default_rng(0)
    queries, gallery = rng.normal(size=(20, 7)), rng.normal(size=(30, 7)) * rng.uniform(0.1, 9, size=(30, 1))
    expected = np.argsort(-cosine_similarity(queries, gallery), axis=1)
    assert (cosine_ranking(queries, gallery, seed=3) == expected).all()


def test_recall_with_one_gallery_item_a_class_is_top_k_accuracy() -> None:
    rng = np.random.default_rng(1)
    similarity = rng.normal(size=(200, 9))
    labels = rng.integers(9, size=200)
    ranking = np.argsort(-similarity, axis=1)
    for k in (1, 3, 5):
        expected = top_k_accuracy_score(labels, similarity, k=k, labels=np.arange(9))
        assert hits_at_k(ranking, labels, np.arange(9), k).mean() == pytest.approx(expected)


def test_collapsed_features_get_chance_even_where_the_gallery_is_sorted() -> None:
    labels = np.repeat(np.arange(10), 20)
    ones = np.ones((200, 4))
    hits = [hits_at_k(cosine_ranking(ones, ones, seed), labels, labels, 1).mean() for seed in range(20)]
    assert np.mean(hits) == pytest.approx(0.1)
    first = {int(cosine_ranking(ones, ones, seed)[0, 0]) for seed in range(20)}
    assert len(first) > 10


def test_zero_rows_stay_zero() -> None:
    assert l2_normalised([[0.0, 0.0], [3.0, 4.0]]).tolist() == [[0.0, 0.0], [0.6, 0.8]]


@pytest.mark.parametrize("k", [1, 2, 4, 6])
def test_chance_recall_counts_all_draws(k: int) -> None:
    relevant = 2
    draws = list(combinations(range(6), k))
    expected = np.mean([any(item < relevant for item in draw) for draw in draws])
    assert chance_recall_at_k([relevant], 6, k)[0] == pytest.approx(expected)


def test_chance_recall_of_a_large_gallery_is_exact() -> None:
    # 95 of 9,537 are relevant: P(no hit in 5) as a product
    expected = 1 - np.prod([(9537 - 95 - i) / (9537 - i) for i in range(5)])
    assert chance_recall_at_k([95, 0], 9537, 5) == pytest.approx([expected, 0.0], abs=1e-9)


def test_wilson_equals_scipy() -> None:
    for successes, n in [(0, 10), (3, 10), (10, 10), (431, 977)]:
        expected = binomtest(successes, n).proportion_ci(0.95, "wilson")
        assert wilson(successes, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_bootstrap_covers_the_truth() -> None:
    rng = np.random.default_rng(2)
    covered, runs = 0, 200
    for seed in range(runs):
        hits = rng.random(80) < 0.6
        interval = bootstrap_interval(hits, np.arange(80), 300, seed)
        covered += interval.low <= 0.6 <= interval.high
    # 95 % nominal; a percentile bootstrap at n = 80 is a little narrow; +-3 sd of 200 runs is .046
    assert 0.88 <= covered / runs <= 0.99


def test_bootstrap_draws_the_clips_of_a_video_together() -> None:
    video = np.random.default_rng(3).random(50) < 0.5
    clips, owners = np.repeat(video, 10), np.repeat(np.arange(50), 10)
    together = bootstrap_interval(clips, owners, 1000, 0)
    alone = bootstrap_interval(video, np.arange(50), 1000, 0)
    apart = bootstrap_interval(clips, np.arange(500), 1000, 0)
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))
    assert (together.high - together.low) > 2.5 * (apart.high - apart.low)


def test_bootstrap_weighs_videos_by_their_values() -> None:
    interval = bootstrap_interval([1, 1, 1, 0], [0, 0, 0, 1], 2000, 0)
    assert (interval.value, interval.low, interval.high) == (0.75, 0.0, 1.0)


def test_all_right_is_not_certainty() -> None:
    interval = proportion_interval(np.ones(10), np.arange(10), 200, 0)
    assert (interval.low, interval.high) == pytest.approx(wilson(10, 10))
    mixed = np.array([1.0, 0.0] * 5)
    assert proportion_interval(mixed, np.arange(10), 200, 0) == bootstrap_interval(
        mixed, np.arange(10), 200, 0
    )


def test_an_interval_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        bootstrap_interval([], [], 100, 0)


def test_group_means() -> None:
    means = group_means([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [2, 0, 2], 3)
    assert means[0].tolist() == [3.0, 4.0]
    assert np.isnan(means[1]).all()
    assert means[2].tolist() == [3.0, 4.0]


def test_top_k_is_scikit_learns_and_by_hand() -> None:
    classes = np.array(["a", "b", "c"])
    scores = [[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.4, 0.4, 0.2]]
    labels = np.array(["b", "a", "b"])
    assert in_top_k(scores, classes, labels, 1).tolist() == [0, 0, 0]  # of equal scores the first class
    assert in_top_k(scores, classes, labels, 2).tolist() == [1, 0, 1]
    rng = np.random.default_rng(4)
    many, truth = rng.normal(size=(300, 12)), rng.integers(12, size=300)
    for k in (1, 5):
        expected = top_k_accuracy_score(truth, many, k=k, labels=np.arange(12))
        assert in_top_k(many, np.arange(12), truth, k).mean() == pytest.approx(expected)


def test_sign_flips_are_scipys_permutations_and_by_hand() -> None:
    assert sign_flip_p([1.0, 1.0, 1.0], [0, 1, 2], 0) == pytest.approx(2 / 8)
    assert sign_flip_p([1.0, 1.0, 1.0, 0.0], [0, 0, 1, 2], 0) == pytest.approx(2 / 4)  # one group, one coin
    assert sign_flip_p([0.0, 0.0], [0, 1], 0) == 1.0
    rng = np.random.default_rng(5)
    for n, exact in ((9, True), (60, False)):
        x = rng.normal(0.3, 1.0, size=n)
        test = permutation_test(
            (x,), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(0)
        )
        assert sign_flip_p(x, np.arange(n), 0) == pytest.approx(test.pvalue, abs=1e-9 if exact else 0.02)


def test_clips_of_a_video_do_not_make_a_difference_certain() -> None:
    videos = np.repeat(np.arange(6), 50)
    assert sign_flip_p(np.ones(300), videos, 0) == pytest.approx(2 / 64)
    assert sign_flip_p(np.ones(300), np.arange(300), 0) < 1e-3
