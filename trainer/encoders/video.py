"""A small R(2+1)D (after Tran et al., CVPR 2018), for machines where the full network is too slow.

Two things differ from the original. There are as many channels between space and time as behind them, not as many
as would keep the parameter count of a full 3x3x3 convolution: on a CPU that halves the time of a step. And half of
the stem sees each pixel's deviation from its mean over the clip, normalised by itself: motion then counts as much as
still appearance from the first step on, which a short run does not discover by itself (docs/method.md).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _factored(inside: int, outside: int, stride: int, stride_t: int) -> nn.Sequential:
    """A 3x3x3 convolution as space, then time."""
    return nn.Sequential(
        nn.Conv3d(inside, outside, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False),
        nn.BatchNorm3d(outside),
        nn.ReLU(inplace=True),
        nn.Conv3d(outside, outside, (3, 1, 1), (stride_t, 1, 1), (1, 0, 0), bias=False),
    )


def _spatial_stem(outside: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(3, outside, (1, 5, 5), (1, 2, 2), (0, 2, 2), bias=False),
        nn.BatchNorm3d(outside),
        nn.ReLU(inplace=True),
    )


class Block(nn.Module):
    """A residual block of two factored convolutions."""

    def __init__(self, inside: int, outside: int, stride: int, stride_t: int) -> None:
        super().__init__()
        self.first = _factored(inside, outside, stride, stride_t)
        self.norm1 = nn.BatchNorm3d(outside)
        self.second = _factored(outside, outside, 1, 1)
        self.norm2 = nn.BatchNorm3d(outside)
        self.relu = nn.ReLU(inplace=True)
        self.skip: nn.Module = nn.Identity()
        if inside != outside or stride != 1 or stride_t != 1:
            self.skip = nn.Sequential(
                nn.Conv3d(inside, outside, 1, (stride_t, stride, stride), bias=False),
                nn.BatchNorm3d(outside),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C', T / stride_t, H / stride, W / stride)."""
        y = self.relu(self.norm1(self.first(x)))
        return self.relu(self.norm2(self.second(y)) + self.skip(x))


class R2Plus1D(nn.Module):
    """One block a stage, channels doubling from `width`; time is halved in the last two stages."""

    def __init__(self, width: int, stages: int) -> None:
        super().__init__()
        self.still = _spatial_stem(width // 2)
        self.moving = _spatial_stem(width - width // 2)
        self.stem = nn.Sequential(
            nn.Conv3d(width, width, (3, 1, 1), 1, (1, 0, 0), bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(inplace=True),
        )
        blocks = []
        channels = width
        for stage in range(stages):
            outside = width * 2**stage
            stride = 1 if stage == 0 else 2
            stride_t = 2 if stage > 0 and stage >= stages - 2 else 1
            blocks.append(Block(channels, outside, stride, stride_t))
            channels = outside
        self.blocks = nn.Sequential(*blocks)
        self.dim = channels

    def forward(self, clips: Tensor) -> Tensor:
        """(B, 3, T, H, W) -> (B, dim)."""
        deviation = clips - clips.mean(dim=2, keepdim=True)
        seen = torch.cat([self.still(clips), self.moving(deviation)], dim=1)
        return self.blocks(self.stem(seen)).mean(dim=(2, 3, 4))
