from __future__ import annotations

import pytest
import torch

from benchmarks.gpu.pretraining import planned, settle_norms
from benchmarks.gpu.settings import FULL, SMALL, config
from trainer.learner import Learner


def test_the_schedule_ends_with_the_time():
    base = config(FULL, FULL.training)
    settings = planned(base, 0.25, 300.0, 100_000)
    assert settings.steps == pytest.approx(300.0 / 0.25, rel=0.06)
    assert settings.steps * 0.25 < 300.0
    assert settings.warmup_steps == settings.steps // 20
    assert settings.log_every * 0.25 <= 5.0
    assert planned(base, 0.25, 300.0, 8).steps == 8
    assert planned(base, 10.0, 1.0, 100).steps == 4  # never none


def test_settled_norms_have_the_statistics_of_the_clips(work):
    part = work()
    settings = config(SMALL, {"batch_size": 8})
    learner = Learner.build(settings, part.shard.sample_rate, 100, part.device)
    norm = next(m for m in learner.model.video_encoder.modules() if isinstance(m, torch.nn.BatchNorm3d))
    momentum = norm.momentum
    batch = part.batch(part.samples(8, settings), 8, settings)
    settle_norms(learner, [[batch]], settings, part.device)
    assert not torch.allclose(norm.running_var, torch.ones_like(norm.running_var), rtol=0.1)
    assert norm.momentum == momentum
    assert int(norm.num_batches_tracked) == 1
