from __future__ import annotations

import numpy as np
import pytest
import torch

from trainer.heldout import Tally, summarise


def test_a_tally_is_an_accuracy_with_its_chance_and_an_interval_over_videos():
    tally = Tally()
    tally.add(["a", "a", "b", "b"], torch.tensor([1, 1, 0, 1]), torch.full((4,), 0.25), torch.full((4,), 0.5))
    result = summarise(tally, seed=0)
    assert (result["value"], result["n"], result["videos"]) == (0.75, 4, 2)
    assert (result["chance"], result["duration_baseline"]) == (0.25, 0.5)
    assert (result["low"], result["high"]) == (0.5, 1.0)  # a resample holds only a, only b, or both


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        tally = Tally()
        for video in range(60):  # clips of one video agree: the interval must not treat them as independent
            hit = rng.random() < 0.6
            quarter = torch.full((5,), 0.25)
            tally.add([str(video)] * 5, torch.full((5,), float(hit)), quarter, quarter)
        result = summarise(tally, seed=trial)
        covered += result["low"] <= 0.6 <= result["high"]
    assert 0.88 <= covered / 200 <= 0.99


def test_nothing_asked_is_no_accuracy():
    assert summarise(Tally(), 0)["value"] is None


def test_tallies_of_workers_add_up():
    one, other = Tally(), Tally()
    third = torch.full((1,), 1 / 3)
    one.add(["a"], torch.tensor([1]), third, third)
    other.add(["a"], torch.tensor([0]), third, third)
    other.add(["b"], torch.tensor([1]), third, third)
    one.merge(other)
    assert summarise(one, 0)["value"] == pytest.approx(2 / 3)


def test_one_video_says_nothing_of_others():
    tally = Tally(asked={"a": 4.0}, right={"a": 3.0}, chance=1.0, prior=1.0)
    found = summarise(tally, seed=0)
    assert (found["value"], found["low"], found["high"]) == (0.75, 0.0, 1.0)
