"""The momentum copy of encoders and projections: it makes the keys (He et al., MoCo, CVPR 2020)."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from trainer.model import AudioVisualModel


@dataclass
class Keys:
    """Unit keys of N video clips and M audio clips, a space each; None for a modality that was not given."""

    v_vv: Tensor | None = None  # (N, d)
    v_va: Tensor | None = None
    a_va: Tensor | None = None  # (M, d)
    a_aa: Tensor | None = None


class MomentumModel(nn.Module):
    """Follows the online model: theta <- m * theta + (1 - m) * online. Norm buffers are copied, not averaged."""

    def __init__(self, model: AudioVisualModel) -> None:
        super().__init__()
        self.video_encoder = _frozen_copy(model.video_encoder)
        self.audio_encoder = _frozen_copy(model.audio_encoder)
        self.project_v_vv = _frozen_copy(model.project_v_vv)
        self.project_v_va = _frozen_copy(model.project_v_va)
        self.project_a_va = _frozen_copy(model.project_a_va)
        self.project_a_aa = None if model.project_a_aa is None else _frozen_copy(model.project_a_aa)

    @torch.no_grad()
    def forward(self, video: Tensor | None, audio: Tensor | None) -> Keys:
        """`video`: (N, 3, T, H, W); `audio`: (M, bands, frames)."""
        keys = Keys()
        if video is not None:
            features = self.video_encoder(video.contiguous(memory_format=torch.channels_last_3d))
            keys.v_vv, keys.v_va = self.project_v_vv(features), self.project_v_va(features)
        if audio is not None:
            features = self.audio_encoder(audio)
            keys.a_va = self.project_a_va(features)
            keys.a_aa = None if self.project_a_aa is None else self.project_a_aa(features)
        return keys

    @torch.no_grad()
    def follow(self, model: AudioVisualModel, momentum: float) -> None:
        """One step towards the online model."""
        parameters, buffers = dict(model.named_parameters()), dict(model.named_buffers())
        names, own = zip(*self.named_parameters(), strict=True)
        torch._foreach_lerp_(own, [parameters[name] for name in names], 1.0 - momentum)
        for name, buffer in self.named_buffers():
            buffer.copy_(buffers[name])


_Part = TypeVar("_Part", bound=nn.Module)


def _frozen_copy(part: _Part) -> _Part:
    return copy.deepcopy(part).requires_grad_(False)


def momentum_at(step: int, steps: int, start: float) -> float:
    """From `start` at step 0 to 1 at the end by half a cosine (Grill et al., BYOL, 2020)."""
    return 1.0 - (1.0 - start) * 0.5 * (1.0 + math.cos(math.pi * min(step / max(steps, 1), 1.0)))
