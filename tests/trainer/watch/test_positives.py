"""The share of drawn positives with their query's label, beside that of random entries."""

from __future__ import annotations

import pytest
import torch

from trainer.config import LossConfig
from trainer.contrast import Pairs
from trainer.watch.labels import Labels
from trainer.watch.positives import SameLabel, same_label

# Videos 1 to 4 have labels 0, 0, 1, 1; video 5 has none.
LABELS = Labels({1: 0, 2: 0, 3: 1, 4: 1})


def unit(*degrees: float) -> torch.Tensor:
    angle = torch.deg2rad(torch.tensor(degrees))
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def pairs(key: torch.Tensor, video: list[int]) -> Pairs:
    return Pairs(key, key, torch.tensor(video), torch.arange(len(video)))


def test_the_nearest_entry_is_drawn_and_its_label_looked_up():
    config = LossConfig(n_positives=1, n_top=1)
    bank, of = unit(0, 10, 90, 100), torch.tensor([2, 3, 4, 5])
    # Query of video 1 at 2 degrees draws the entry of video 2 (same); at 12 degrees that of video 3 (other).
    found = same_label(pairs(unit(2, 12), [1, 1]), bank, of, LABELS, config, seed=0)
    assert found == SameLabel(2, 1.0, pytest.approx(2 / 3))  # of three labelled entries one has label 0
    assert found.metrics("positives/vv") == {
        "positives/vv_same_label": 0.5,
        "positives/vv_same_label_random": pytest.approx(1 / 3),
        "positives/vv_n": 2.0,
    }


def test_unknown_labels_count_neither_way():
    config = LossConfig(n_positives=1, n_top=1)
    bank, of = unit(0, 90), torch.tensor([5, 2])
    drawn_unlabelled = same_label(pairs(unit(1), [1]), bank, of, LABELS, config, seed=0)
    asked_unlabelled = same_label(pairs(unit(91), [5]), bank, of, LABELS, config, seed=0)
    assert drawn_unlabelled.drawn == asked_unlabelled.drawn == 0
    assert drawn_unlabelled.metrics("positives/vv") == {}


def test_entries_of_the_querys_own_video_are_neither_drawn_nor_expected():
    config = LossConfig(n_positives=1, n_top=1)
    bank, of = unit(0, 5, 90), torch.tensor([1, 3, 2])
    found = same_label(pairs(unit(0), [1]), bank, of, LABELS, config, seed=0)
    assert found == SameLabel(1, 0.0, 0.5)


def test_random_features_find_their_label_as_often_as_random_entries():
    generator = torch.Generator().manual_seed(0)
    key, bank = (torch.nn.functional.normalize(torch.randn(2000, 16, generator=generator)) for _ in range(2))
    labels = Labels({video: video % 4 for video in range(400)})
    asked = Pairs(key, key, torch.arange(2000) % 200, torch.arange(2000))
    stored = 200 + torch.arange(2000) % 200
    metrics = same_label(asked, bank, stored, labels, LossConfig(), seed=0).metrics("x")
    assert metrics["x_same_label_random"] == pytest.approx(0.25)
    assert metrics["x_n"] == 1000  # of 2000 queries every second one
    assert metrics["x_same_label"] == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 1000) ** 0.5)
