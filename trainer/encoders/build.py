"""Encoders by name, or by `module:Class`."""

from __future__ import annotations

import importlib

import torch
from torch import Tensor, nn

from chronav.errors import CallError
from trainer.config import AudioConfig, Norm, VideoConfig
from trainer.encoders.audio import AudioResNet
from trainer.encoders.norm import convert_norm
from trainer.encoders.video import R2Plus1D

# Of Kinetics-400, as torchvision's video networks use them.
_MEAN = (0.43216, 0.394666, 0.37645)
_STD = (0.22803, 0.22145, 0.216989)
_TORCHVISION = ("r2plus1d_18", "r3d_18", "s3d")


class VideoEncoder(nn.Module):
    """Normalises pixels in [0, 1] and applies a backbone that has an attribute `dim`."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.dim = int(backbone.dim)  # type: ignore[arg-type]
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1, 1), persistent=False)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) in [0, 1] -> (B, dim)."""
        return self.backbone((clips - self.mean) / self.std)


def build_video_encoder(config: VideoConfig, norm: Norm) -> VideoEncoder:
    """The video encoder that `config` names; raises `CallError` for an unknown name or one without `dim`."""
    backbone = _video_backbone(config)
    if not hasattr(backbone, "dim"):
        raise CallError(
            f"video encoder '{config.encoder}' has no attribute `dim`, the length of its features",
            code="bad_value",
            key="video.encoder",
        )
    return VideoEncoder(convert_norm(backbone, norm))


def build_audio_encoder(config: AudioConfig, norm: Norm) -> AudioResNet:
    """The audio encoder: a 2-D ResNet."""
    encoder = convert_norm(AudioResNet(config.width, config.blocks), norm)
    assert isinstance(encoder, AudioResNet)
    return encoder


def _video_backbone(config: VideoConfig) -> nn.Module:
    if config.encoder == "r2plus1d_small":
        return R2Plus1D(config.width, config.stages)
    if config.encoder in _TORCHVISION:
        return _from_torchvision(config.encoder)
    module, colon, name = config.encoder.partition(":")
    if not colon:
        known = ", ".join(["r2plus1d_small", *_TORCHVISION])
        raise CallError(
            f"unknown video encoder '{config.encoder}': use {known} or module:Class",
            code="bad_value",
            key="video.encoder",
        )
    try:
        return getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError) as error:
        raise CallError(
            f"cannot load video encoder '{config.encoder}': {error}", code="bad_value", key="video.encoder"
        ) from error


def _from_torchvision(name: str) -> nn.Module:
    """A network of torchvision without weights and without its classifier: (B, 3, T, H, W) -> (B, dim)."""
    from torchvision.models import get_model

    network = get_model(name, weights=None)
    if name == "s3d":
        # Its own pooling wants at least 7 x 7 pixels after 32-fold reduction, a clip of 224.
        return S3DBackbone(network.features)
    network.dim = network.fc.in_features
    network.fc = nn.Identity()
    return network


class S3DBackbone(nn.Module):
    """S3D (Xie et al., ECCV 2018) with global pooling, so that it takes clips of any size."""

    dim = 1024

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) -> (B, 1024)."""
        return self.features(clips).mean(dim=(2, 3, 4))
