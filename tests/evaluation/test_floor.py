"""Random weights as a floor that is no weaker than it need be."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from chronav import load_export
from evaluation.embedder import ClipShape
from evaluation.features import plan_clips
from evaluation.floor import random_weights
from evaluation.items import read_videos
from pipelines.table import open_table

SHAPE = ClipShape("video", 8, 1, 16_000)


def _weights(export: str, table: str, seed: int) -> dict[str, torch.Tensor]:
    videos, groups = read_videos(open_table(table))
    plan = plan_clips(videos, range(len(videos)), SHAPE, 2)
    return random_weights(load_export(export), seed, plan, range(len(videos)), groups, SHAPE)


def test_norms_of_random_weights_are_fitted_and_the_weights_are_random(
    colour_table: str, tiny_export: str, kit: SimpleNamespace
) -> None:
    found = _weights(tiny_export, colour_table, seed=3)
    twin = load_export(tiny_export).random_twin(3).weights()
    moved = [name for name, value in found.items() if not torch.equal(value, twin[name])]
    assert any("video_encoder" in name and name.endswith("running_mean") for name in moved)
    assert all(name.endswith(("running_mean", "running_var", "num_batches_tracked")) for name in moved)
    assert set(found) == set(load_export(tiny_export).weights())


def test_the_floor_is_the_same_whenever_it_is_laid(colour_table: str, tiny_export: str) -> None:
    one, other = (_weights(tiny_export, colour_table, seed=3) for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert any(not torch.equal(one[name], w) for name, w in _weights(tiny_export, colour_table, 4).items())


def test_fitted_norms_give_features_of_mean_zero_and_variance_one_at_a_norm(tiny_export: str) -> None:
    export = load_export(tiny_export).random_twin(0)
    clips = np.random.default_rng(0).integers(0, 256, (32, 8, 40, 40, 3), dtype=np.uint8)
    caught: list[torch.Tensor] = []
    norm = next(m for m in export._encoders.video_encoder.modules() if isinstance(m, torch.nn.BatchNorm3d))
    norm.register_forward_hook(lambda _module, _inputs, output: caught.append(output.clone()))
    export.embed(video=clips)
    export.settle_norms(video=[clips])
    export.embed(video=clips)
    raw, fitted = caught[0], caught[-1]
    assert float(fitted.mean()) == pytest.approx(0, abs=1e-3)
    assert float(fitted.var()) == pytest.approx(1, abs=0.02)
    assert abs(float(raw.var()) - 1) > 0.2
    assert not norm.training
    assert norm.momentum == 0.1
