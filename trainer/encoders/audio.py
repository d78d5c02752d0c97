"""A 2-D ResNet on log-mel spectrograms (He et al., CVPR 2016); width 64 and blocks 2-2-2-2: the stages of ResNet-18.

The stem is ours: one 5 x 5 convolution of stride 2 in place of 7 x 7 and a max-pool, which would leave the first
stage a quarter of the bands and frames: a clip has 80 bands and 97 frames, not 224 x 224 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock


class AudioResNet(nn.Module):
    """Pools over time and frequency at the end, so that it takes windows of any length.

    A second input channel holds each band's place, -1 to 1: pitch and brightness, which convolution and pooling
    alone are blind to, are then seen (as in CoordConv, Liu et al., NeurIPS 2018).
    """

    def __init__(self, width: int, blocks: Sequence[int]) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(2, width, 5, 2, 2, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        layers: list[nn.Module] = []
        channels = width
        for stage, count in enumerate(blocks):
            outside = width * 2**stage
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                skip = None
                if stride != 1 or channels != outside:
                    skip = nn.Sequential(
                        nn.Conv2d(channels, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
                    )
                layers.append(BasicBlock(channels, outside, stride, skip))
                channels = outside
        self.blocks = nn.Sequential(*layers)
        self.dim = channels

    def forward(self, mel: Tensor) -> Tensor:
        """(B, bands, frames) -> (B, dim)."""
        place = torch.linspace(-1, 1, mel.shape[1], device=mel.device, dtype=mel.dtype)
        seen = torch.stack([mel, place.view(1, -1, 1).expand_as(mel)], dim=1)  # (B, 2, bands, frames)
        return self.blocks(self.stem(seen)).mean(dim=(2, 3))
