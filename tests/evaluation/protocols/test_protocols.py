"""The protocols on feature sets whose answer is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from chronav.errors import CallError
from evaluation.config import EvaluateConfig
from evaluation.protocols import protocol_named
from evaluation.protocols.base import FoldData
from evaluation.protocols.crossmodal import CrossModal
from evaluation.protocols.linear import draw_stratified

CONFIG = EvaluateConfig(bootstrap=100)
CLASSES, VIDEOS, CLIPS = 5, 30, 3


def fold_data(test_share: float = 0.4) -> FoldData:
    labels = np.repeat([f"class{c}" for c in range(CLASSES)], VIDEOS).astype(object)
    number = np.tile(np.arange(VIDEOS), CLASSES)
    test = number < test_share * VIDEOS
    owner = np.repeat(np.arange(labels.size), CLIPS)
    groups = np.array([f"g{n // 2}" for n in number], dtype=object)
    return FoldData(labels, groups, np.flatnonzero(~test), np.flatnonzero(test), owner)


def separable(data: FoldData, rng: np.random.Generator) -> np.ndarray:
    directions = rng.normal(size=(CLASSES, 16)) * 4
    number = np.array([int(label[-1]) for label in data.labels])
    x = directions[number[data.owner]] + rng.normal(size=(data.owner.size, 16))
    return x.astype(np.float32)


@pytest.mark.parametrize("name", ["retrieval", "linear", "audio"])
def test_separable_features_score_one_and_shuffled_labels_chance(name: str) -> None:
    data, rng = fold_data(), np.random.default_rng(0)
    features = separable(data, rng)
    method = protocol_named(name)
    right = method.measure(data, features, CONFIG).metrics[method.main]
    assert right.values.mean() == 1.0
    assert right.videos.tolist() == data.test.tolist()
    shuffled = replace(data, labels=rng.permutation(data.labels))
    wrong = method.measure(shuffled, features, CONFIG).metrics[method.main].values.mean()
    chance = method.without_features(shuffled)["chance"][method.main]
    assert chance == pytest.approx(0.2, abs=0.02)
    assert abs(wrong - chance) < 4 * np.sqrt(chance * (1 - chance) / data.test.size)


def test_no_test_item_takes_part_in_training() -> None:
    """What the test videos look like changes no score of any other."""
    data, rng = fold_data(), np.random.default_rng(1)
    features = separable(data, rng) + rng.normal(size=(data.owner.size, 16)).astype(np.float32) * 6
    spoilt = features.copy()
    others = np.isin(data.owner, data.test[1:])
    spoilt[others] = rng.normal(size=(int(others.sum()), 16)) * 100
    only_first = replace(data, test=data.test[:1])
    for name in ("linear", "retrieval", "audio"):
        method = protocol_named(name)
        full, kept = (method.measure(data, x, CONFIG) for x in (features, spoilt))
        assert full.numbers == kept.numbers  # the C that was chosen
        alone = method.measure(only_first, features, CONFIG)
        assert full.metrics[method.main].values[0] == kept.metrics[method.main].values[0]
        assert full.metrics[method.main].values[0] == alone.metrics[method.main].values[0]


def test_video_scores_are_averaged_over_clips() -> None:
    """Two clips of three point the right way, the third is wrong: a clip accuracy of 2/3, a video accuracy of 1."""
    data = fold_data()
    number = np.array([int(label[-1]) for label in data.labels])[data.owner]
    third = np.arange(data.owner.size) % CLIPS == 2
    in_test = np.isin(data.owner, data.test)
    number = np.where(third & in_test, (number + 1) % CLASSES, number)
    features = (
        np.eye(CLASSES)[number] + 1e-3 * np.random.default_rng(0).normal(size=(number.size, CLASSES))
    ) * 3
    found = protocol_named("linear").measure(data, features.astype(np.float32), CONFIG).metrics
    assert found["top1_clip"].values.mean() == pytest.approx(2 / 3)
    assert found["top1_video"].values.mean() == 1.0
    assert found["top1_clip"].videos.size == data.test.size * CLIPS


def test_pooled_features_hold_the_deviation_over_windows() -> None:
    """Windows that scatter about the same mean, each class in a direction of its own: only their deviation tells."""
    data, rng = fold_data(), np.random.default_rng(5)
    number = np.array([int(label[-1]) for label in data.labels])[data.owner]
    sign = np.array([-1.0, 0.0, 1.0])[np.arange(data.owner.size) % CLIPS]
    scatter = sign[:, None] * np.eye(CLASSES)[number] + 0.05 * rng.normal(size=(number.size, CLASSES))
    pooled = CONFIG.model_copy(update={"pool": "features"})
    found = protocol_named("audio").measure(data, scatter.astype(np.float32), pooled)
    assert set(found.metrics) == {"top1_video"}
    assert found.metrics["top1_video"].values.mean() == 1.0
    assert found.metrics["top1_video"].videos.tolist() == data.test.tolist()
    apart = protocol_named("audio").measure(data, scatter.astype(np.float32), CONFIG)
    assert apart.metrics["top1_video"].values.mean() < 0.5


def test_retrieval_leaves_out_ranks_beyond_the_gallery() -> None:
    data = fold_data(test_share=0.9)
    assert data.train.size == 15
    found = protocol_named("retrieval").measure(data, separable(data, np.random.default_rng(0)), CONFIG)
    assert list(found.metrics) == ["R@1", "R@5", "R@10"]
    assert found.remarks == ["R@20, R@50 left out: the gallery holds 15 videos."]
    assert list(protocol_named("retrieval").without_features(data)["chance"]) == ["R@1", "R@5", "R@10"]


def test_few_labels_are_drawn_several_times() -> None:
    data, rng = fold_data(), np.random.default_rng(2)
    noisy = separable(data, rng) + 8 * rng.normal(size=(data.owner.size, 16)).astype(np.float32)
    config = CONFIG.model_copy(update={"labels": 10, "draws": 4})
    found = protocol_named("linear").measure(data, noisy, config)
    assert 0.2 < found.numbers["top1_video_10_labels"] < found.metrics["top1_video"].values.mean()
    assert found.numbers["top1_video_10_labels_std"] > 0
    assert found.numbers == protocol_named("linear").measure(data, noisy, config).numbers


def test_few_labels_are_learnt_from_mean_features() -> None:
    """Clips thrown about tell little one by one; where the throws of a video cancel, their mean tells the class."""
    data, rng = fold_data(), np.random.default_rng(6)
    number = np.array([int(label[-1]) for label in data.labels])[data.owner]
    thrown = rng.normal(size=(data.labels.size, CLASSES))[data.owner]
    strength = np.where(np.arange(data.owner.size) % CLIPS == 0, 1.0 - CLIPS, 1.0) * 50
    features = (np.eye(CLASSES)[number] + strength[:, None] * thrown).astype(np.float32)
    config = CONFIG.model_copy(update={"labels": 3 * CLASSES, "draws": 3})
    found = protocol_named("linear").measure(data, features, config)
    assert found.metrics["top1_clip"].values.mean() < 0.7
    assert found.numbers[f"top1_video_{3 * CLASSES}_labels"] == 1.0


def test_more_labels_than_training_videos_are_refused() -> None:
    data = fold_data()
    with pytest.raises(CallError, match="91 labels asked for, the training split holds 90"):
        protocol_named("linear").check(data, CONFIG.model_copy(update={"labels": 91}))
    one_class = replace(data, train=data.train[:5])
    with pytest.raises(CallError, match="two classes"):
        protocol_named("audio").check(one_class, CONFIG)


def test_stratified_draws() -> None:
    labels = np.array(["a"] * 50 + ["b"] * 50 + ["c"] * 2, dtype=object)
    counts = [Counter(labels[draw_stratified(labels, 12, np.random.default_rng(s))]) for s in range(20)]
    assert all(count["c"] == 2 and count["a"] == count["b"] == 5 for count in counts)
    assert draw_stratified(labels, 102, np.random.default_rng(0)).tolist() == list(range(102))
    draws = {tuple(draw_stratified(labels, 6, np.random.default_rng(s))) for s in range(10)}
    assert len(draws) == 10
    spare = Counter(labels[draw_stratified(labels, 2, np.random.default_rng(s))][0] for s in range(40))
    assert len(spare) > 1


def test_majority_class() -> None:
    labels = np.array(["a", "a", "b", "a", "b", "b", "b"], dtype=object)
    data = FoldData(labels, labels, np.arange(3), np.arange(3, 7), np.arange(7))
    baselines = protocol_named("linear").without_features(data)
    assert baselines["majority_class"] == {"top1_video": 0.25}
    assert baselines["chance"]["top1_video"] == 0.5


def test_no_test_item_takes_part_in_what_classical_descriptors_are_scaled_by() -> None:
    data, rng = fold_data(), np.random.default_rng(7)
    features = separable(data, rng) + 4 * rng.normal(size=(data.owner.size, 16)).astype(np.float32)
    spoilt = features.copy()
    others = np.isin(data.owner, data.test[1:])
    spoilt[others] = rng.normal(size=(int(others.sum()), 16)) * 100
    for name in ("retrieval", "audio"):
        for measure in protocol_named(name).classical().values():
            full, kept = (measure(data, x, CONFIG) for x in (features, spoilt))
            assert full.numbers == kept.numbers
            main = protocol_named(name).main
            assert full.metrics[main].values[0] == kept.metrics[main].values[0]


def test_top_five_where_there_are_more_than_five_classes() -> None:
    data, rng = fold_data(), np.random.default_rng(8)
    few = protocol_named("linear").measure(data, separable(data, rng), CONFIG)
    assert set(few.metrics) == {"top1_video", "top1_clip"}
    labels = np.repeat([f"class{c}" for c in range(10)], 15).astype(object)
    many = replace(data, labels=labels, groups=np.arange(150).astype(str).astype(object))
    number = np.repeat(np.arange(10), 15)
    directions = rng.normal(size=(10, 16)) * 4
    x = (directions[number[data.owner]] + 12 * rng.normal(size=(data.owner.size, 16))).astype(np.float32)
    test = np.arange(0, 150, 3)
    many = replace(many, test=test, train=np.setdiff1d(np.arange(150), test))
    found = protocol_named("linear").measure(many, x, CONFIG)
    for of in ("video", "clip"):
        top1, top5 = (found.metrics[f"top{k}_{of}"].values for k in (1, 5))
        assert (top5 >= top1).all() and top5.mean() > top1.mean()
    assert protocol_named("linear").without_features(many)["chance"]["top5_clip"] == pytest.approx(0.5)
    assert found.answers is not None
    right = found.answers.given == found.answers.truth
    assert right.mean() == found.metrics["top1_video"].values.mean()


def test_an_rbf_kernel_tells_what_a_line_cannot() -> None:
    rng = np.random.default_rng(9)
    radius = np.tile([1.0, 3.0], 60)
    angle = rng.uniform(0, 2 * np.pi, 120)
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).astype(np.float32)
    labels = np.tile(["in", "out"], 60).astype(object)
    rings = FoldData(
        labels, np.arange(120).astype(str).astype(object), np.arange(80), np.arange(80, 120), np.arange(120)
    )
    line, rbf = (
        protocol_named("audio").measure(rings, x, CONFIG.model_copy(update={"kernel": kernel}))
        for kernel in ("linear", "rbf")
    )
    assert line.metrics["top1_video"].values.mean() < 0.8
    assert rbf.metrics["top1_video"].values.mean() == 1.0


def test_sound_and_picture_that_agree_find_one_another() -> None:
    rng = np.random.default_rng(10)
    data = fold_data()
    points = rng.normal(size=(data.labels.size, 8))
    method = CrossModal()
    agreed = method.measure(data, (points, points + 0.01 * rng.normal(size=points.shape)), 0).metrics
    chance = method.without_features(data)["chance"]
    assert set(agreed) == set(chance)
    for name in ("v2a", "a2v"):
        assert agreed[f"{name}_own_R@1"].values.mean() == 1.0
        assert agreed[f"{name}_R@1"].values.mean() < 0.5  # places are random, classes too
        assert chance[f"{name}_own_R@5"] == pytest.approx(5 / data.test.size)
        assert chance[f"{name}_R@1"] == pytest.approx(0.2)
    strangers = method.measure(data, (points, rng.normal(size=points.shape)), 0).metrics
    assert strangers["v2a_own_R@1"].values.mean() < 0.2
    by_class = np.eye(CLASSES)[[int(label[-1]) for label in data.labels]]
    told = method.measure(data, (by_class, by_class), 0)
    assert told.metrics["v2a_R@1"].values.mean() == told.metrics["a2v_R@1"].values.mean() == 1.0
    assert told.ranking is not None
    assert (data.labels[data.train[told.ranking[:, 0]]] == data.labels[data.test]).all()
