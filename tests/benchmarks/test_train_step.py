from __future__ import annotations

import pytest
import torch

from benchmarks.media import Stored
from benchmarks.train_step import (
    ALONE,
    BARE,
    FULL,
    Spent,
    Work,
    bare_step,
    full_banks,
    make_batch,
    ratio_of,
    section,
    steps,
    table_of,
)
from chronav.config import build
from trainer import recipes
from trainer.config import PretrainConfig
from trainer.learner import Learner

CPU = torch.device("cpu")


@pytest.fixture
def learner_and_batch() -> tuple[Learner, PretrainConfig, object]:
    stored = Stored(height=24, width=32, sample_rate=8000)
    small = ["video.width=8", "video.stages=2", "audio.width=8", "audio.blocks=[1, 1]", "loss.keys=momentum"]
    config = build(PretrainConfig, overrides=[*small, "loss.bank_size=64"], defaults=recipes.get("tiny"))
    learner = Learner.build(config, stored.sample_rate, 1000, CPU)
    return learner, config, make_batch(config, stored, samples=6, segments=2)


def test_every_sample_of_the_batch_is_of_a_video_of_its_own(learner_and_batch):
    _, _, batch = learner_and_batch
    assert len(batch) == len(set(batch.key.tolist())) == 6
    assert bool((batch.audio_row >= 0).all()) and bool((batch.video_row >= 0).all())


def test_networks_alone_learn_and_are_followed_but_no_bank_changes(learner_and_batch):
    learner, config, batch = learner_and_batch
    full_banks(learner)
    keys = {name: bank.keys.clone() for name, bank in learner.contrast.banks.items()}
    assert all(bank.filled == 64 for bank in learner.contrast.banks.values())
    online = learner.model.project_v_vv.layers[0].weight
    momentum = learner.contrast.momentum.project_v_vv.layers[0].weight
    before = online.detach().clone(), momentum.detach().clone()
    bare_step(learner, batch, config)
    assert not torch.equal(online, before[0])
    assert not torch.equal(momentum, before[1])
    assert all(torch.equal(bank.keys, keys[name]) for name, bank in learner.contrast.banks.items())


def test_the_objective_alone_draws_from_full_banks():
    with steps(Work(ALONE, 2, CPU)) as step:
        spent = step()
    assert spent.seconds > 0
    assert spent.peak_mib > 100  # three banks of 65,536 keys


def test_the_table_and_the_ratio_go_round_by_round():
    spent = {
        FULL: [Spent(2.2, 90), Spent(4.2, 100), Spent(3.3, 110)],
        BARE: [Spent(2.0, 80), Spent(4.0, 80), Spent(3.0, 80)],
        ALONE: [Spent(1.0, 50)] * 3,
    }
    works = [Work(FULL, 2, CPU), Work(BARE, 2, CPU), Work(ALONE, 256, CPU)]
    lines = table_of(spent, works).splitlines()
    assert lines[2] == "| full objective, 2 samples | 3.30 (2.20 to 4.20) | 1.100 (1.050 to 1.100) | 110 |"
    assert lines[4] == f"| {ALONE}, 256 samples | 1.00 (1.00 to 1.00) |  | 50 |"
    assert ratio_of(spent) == pytest.approx(1.1)


def test_the_section_says_where_and_at_which_batch_its_ratio_holds():
    works = [Work(FULL, 3, CPU), Work(BARE, 3, CPU), Work(ALONE, 128, CPU)]
    text = section("| table |", works, 5, 1.0124)
    assert text.startswith(
        "## Training step on a CPU at a batch of 3: full objective 1.012 of the networks alone\n"
    )
    assert "At a batch of 3, where networks" in text
    assert "costs at 128 samples" in " ".join(text.split())
    assert "On a GPU this ratio is not measured.\n\n| table |" in text
