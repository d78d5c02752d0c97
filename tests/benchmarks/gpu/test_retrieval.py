from __future__ import annotations

import pytest
import torch

from benchmarks.gpu.retrieval import Probe, class_recall, recalls, sound_recall
from benchmarks.gpu.settings import SMALL, config
from trainer.learner import Learner

NEAR = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.2, 1.0]]), dim=1)


def test_the_nearest_of_another_group_counts():
    found = class_recall(NEAR, ["a", "a", "b", "b"], ["1", "2", "3", "4"])
    assert found == {"R@1": 1.0, "chance": pytest.approx(1 / 3), "n": 4}
    assert class_recall(NEAR, ["a", "b", "a", "b"], ["1", "2", "3", "4"])["R@1"] == 0.0
    # A video of the same group is no neighbour, and a class of one group is not asked for.
    assert class_recall(NEAR, ["a", "a", "b", "b"], ["1", "1", "3", "4"]) == {
        "R@1": 1.0,
        "chance": 1 / 3,
        "n": 2,
    }
    assert class_recall(NEAR, [None] * 4, ["1", "2", "3", "4"]) == {"R@1": None, "chance": None, "n": 0}


def test_a_sound_finds_its_own_picture():
    assert sound_recall(NEAR, NEAR, [0, 3]) == {"R@1": 1.0, "chance": 0.25, "n": 2}
    assert sound_recall(NEAR.flip(0), NEAR, range(4))["R@1"] == 0.0
    assert sound_recall(NEAR, NEAR, [])["R@1"] is None


def test_features_of_rows_do_not_depend_on_the_training_mode(shard):
    settings = config(SMALL)
    learner = Learner.build(settings, shard.sample_rate, 100, torch.device("cpu"))
    probe = Probe(shard.rows, settings, shard.sample_rate, 2, torch.device("cpu"))
    one, other = probe.features(learner), probe.features(learner)
    for name, features in one.items():
        assert features.shape[0] == len(shard.rows)
        assert torch.equal(features, other[name])
        assert torch.allclose(features.norm(dim=1), torch.ones(len(shard.rows)), atol=1e-4)
    figures = recalls(one, shard.rows)
    assert figures["sound_to_picture_heldout/n"] == 2
    assert figures["sound_to_picture_trained/n"] == 4
    assert figures["video_class/n"] == 6
