from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock

from chronav.errors import CallError
from trainer.config import AudioConfig, VideoConfig
from trainer.encoders import build_audio_encoder, build_video_encoder
from trainer.encoders.norm import convert_norm


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("encoder", ["r2plus1d_small", "r2plus1d_18", "r3d_18", "s3d"])
def test_video_encoders_by_name(encoder, norm):
    network = build_video_encoder(VideoConfig(encoder=encoder, width=8, stages=3), norm).eval()
    with torch.inference_mode():
        features = network(torch.rand(2, 3, 8, 32, 32))
    assert features.shape == (2, network.dim)
    has_batch_norm = any(isinstance(m, torch.nn.BatchNorm3d) for m in network.modules())
    assert has_batch_norm == (norm == "batch")


def test_full_width_networks_are_those_of_the_papers_but_for_the_stem_of_sound():
    video = build_video_encoder(VideoConfig(), "batch")
    assert sum(p.numel() for p in video.parameters()) == pytest.approx(31.3e6, rel=0.01)
    audio = build_audio_encoder(AudioConfig(), "batch")
    assert sum(p.numel() for p in audio.parameters()) == pytest.approx(11.17e6, rel=0.01)
    stages = [module for module in audio.modules() if isinstance(module, BasicBlock)]
    assert [block.conv1.out_channels for block in stages] == [64, 64, 128, 128, 256, 256, 512, 512]
    stem = next(module for module in audio.modules() if isinstance(module, nn.Conv2d))
    assert (stem.in_channels, stem.kernel_size, stem.stride) == (2, (5, 5), (2, 2))  # ResNet-18: 3, 7 x 7
    assert not any(isinstance(module, nn.MaxPool2d) for module in audio.modules())


def test_sound_of_any_length_gives_one_feature():
    network = build_audio_encoder(AudioConfig(width=8, blocks=(1, 1)), "batch").eval()
    with torch.inference_mode():
        assert network(torch.rand(2, 40, 50)).shape == network(torch.rand(2, 40, 300)).shape == (2, 16)


@pytest.mark.parametrize("name", ["resnet", "nowhere:Net", "torch.nn:Nothing"])
def test_an_encoder_that_does_not_exist_is_a_wrong_call(name):
    with pytest.raises(CallError, match="video encoder"):
        build_video_encoder(VideoConfig(encoder=name), "batch")


class Mean(nn.Module):
    """A network of one's own: the mean colour."""

    dim = 3

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return clips.mean(dim=(2, 3, 4))


def test_an_encoder_of_ones_own_by_module_and_class(monkeypatch):
    module = ModuleType("my_networks")
    module.Mean, module.NoDim = Mean, nn.Identity  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "my_networks", module)
    network = build_video_encoder(VideoConfig(encoder="my_networks:Mean"), "batch")
    assert network(torch.rand(2, 3, 4, 8, 8)).shape == (2, network.dim)
    with pytest.raises(CallError, match="has no attribute `dim`"):
        build_video_encoder(VideoConfig(encoder="my_networks:NoDim"), "batch")


def test_group_norm_of_vectors_keeps_more_than_their_signs():
    layers = convert_norm(nn.Sequential(nn.BatchNorm1d(16)), "group")
    x = torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
    out = layers(x)
    torch.testing.assert_close(out.mean(dim=1), torch.zeros(4), atol=1e-5, rtol=0)
    assert len(out[0].detach().abs().round(decimals=3).unique()) > 8
