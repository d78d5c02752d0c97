from __future__ import annotations

import pytest
from torchvision.models.video import R2Plus1D_18_Weights

from benchmarks.gpu.flops import sample_flops
from benchmarks.gpu.settings import FULL, SMALL, config


def test_the_video_network_needs_what_its_authors_say():
    flops = sample_flops(config(FULL), 16_000)
    # GFLOPs of one clip of the same size, in multiplications with addition.
    video = 2 * 2 * R2Plus1D_18_Weights.DEFAULT.meta["_ops"] * 1e9
    assert video < flops.forward < 1.05 * video  # the rest is sound's
    # The backward pass needs two products for each, but for the first layers' input.
    assert 1.9 * flops.forward < flops.backward < 2 * flops.forward
    assert flops.momentum == pytest.approx(flops.forward, rel=1e-4)  # which has no temporal heads
    assert flops.total == flops.forward + flops.backward + flops.momentum


def test_without_a_momentum_model_there_is_no_second_forward_pass():
    assert sample_flops(config(SMALL, {"loss": {"keys": "online"}}), 16_000).momentum == 0
