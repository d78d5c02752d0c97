"""The network: two encoders, contrastive projections, and the seven temporal heads."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer.config import Norm, PretrainConfig
from trainer.encoders import build_audio_encoder, build_video_encoder
from trainer.encoders.norm import convert_norm


@dataclass
class Outputs:
    """What the network says of N video clips and M audio clips; None for a modality that was not given."""

    # 0, with a zero gradient for every parameter: a batch without sound leaves no parameter without one, and so
    # workers with unlike batches exchange the same gradients in the same order.
    anchor: Tensor | None = None
    video: Tensor | None = None  # (N, Dv) features
    audio: Tensor | None = None  # (M, Da)
    v_vv: Tensor | None = None  # (N, d) unit vectors: video, for the loss among videos
    v_va: Tensor | None = None  # (N, d) video, for the loss with audio
    a_va: Tensor | None = None  # (M, d) audio, for the loss with video
    a_aa: Tensor | None = None  # (M, d) audio, for the loss among audio clips
    speed_v: Tensor | None = None  # (N, S) logits
    speed_a: Tensor | None = None  # (M, S)
    direction_v: Tensor | None = None  # (N, 2)
    direction_a: Tensor | None = None  # (M, 2)


class Projection(nn.Module):
    """Two layers onto the unit sphere."""

    def __init__(self, inside: int, hidden: int, outside: int, norm: Norm) -> None:
        super().__init__()
        self.layers = convert_norm(
            nn.Sequential(
                nn.Linear(inside, hidden, bias=False),
                nn.BatchNorm1d(hidden),
                nn.ReLU(inplace=True),
                nn.Linear(hidden, outside),
            ),
            norm,
        )

    def forward(self, features: Tensor) -> Tensor:
        """(N, inside) -> (N, outside), L2-normalised."""
        return nn.functional.normalize(self.layers(features).float(), dim=1)


def _zero_out(layer: nn.Linear) -> nn.Linear:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _order_head(inside: int, hidden: int) -> nn.Sequential:
    """Three order classes from two concatenated features; exactly log 3 at the start."""
    return nn.Sequential(nn.Linear(inside, hidden), nn.ReLU(inplace=True), _zero_out(nn.Linear(hidden, 3)))


class AudioVisualModel(nn.Module):
    """Encoders, projections and heads in one module, so that one wrapper (DDP) covers them."""

    def __init__(self, config: PretrainConfig) -> None:
        super().__init__()
        # Channels last: the layout in which 3-D convolutions are fastest, on CPU and on GPU.
        self.video_encoder = build_video_encoder(config.video, config.norm).to(
            memory_format=torch.channels_last_3d
        )
        self.audio_encoder = build_audio_encoder(config.audio, config.norm)
        dv, da = self.video_encoder.dim, self.audio_encoder.dim
        hidden, dim, norm = config.projection_hidden, config.projection_dim, config.norm
        self.project_v_vv = Projection(dv, hidden, dim, norm)
        self.project_v_va = Projection(dv, hidden, dim, norm)
        self.project_a_va = Projection(da, hidden, dim, norm)
        # Made where it is used alone: it would change what the layers after it are initialised with.
        self.project_a_aa = Projection(da, hidden, dim, norm) if config.loss.aa > 0 else None
        classes = len(config.sampling.speeds)
        self.speed_v = _zero_out(nn.Linear(dv, classes))
        self.speed_a = _zero_out(nn.Linear(da, classes))
        self.direction_v = _zero_out(nn.Linear(dv, 2))
        self.direction_a = _zero_out(nn.Linear(da, 2))
        self.order_vv = _order_head(2 * dv, config.head_hidden)
        self.order_aa = _order_head(2 * da, config.head_hidden)
        self.order_va = _order_head(dv + da, config.head_hidden)
        self.anchor_first = config.loss.keys == "online"

    def forward(
        self, video: Tensor | None, audio: Tensor | None, pairs: dict[str, tuple[Tensor, Tensor]]
    ) -> tuple[Outputs, dict[str, Tensor]]:
        """Features, projections and clip-level logits, and order logits for `pairs`.

        `video`: (N, 3, T, H, W); `audio`: (M, bands, frames). `pairs`: `order_vv`, `order_aa`, `order_va` ->
        row indices of the first and of the second clip; for `order_va`, the video's and the audio's.
        """
        # Autograd runs last what was made first. Made last, the anchor lets workers exchange a layer's gradients as
        # soon as they are known. Keys with gradient have a collective of their own in the backward pass, which must
        # come before those of the gradients on every worker: then it is made first, and they wait.
        out = Outputs(anchor=self._zero()) if self.anchor_first else Outputs()
        if video is not None:
            features = self.video_encoder(video.contiguous(memory_format=torch.channels_last_3d))
            out.video = features
            out.v_vv, out.v_va = self.project_v_vv(features), self.project_v_va(features)
            out.speed_v, out.direction_v = self.speed_v(features), self.direction_v(features)
        if audio is not None:
            features = self.audio_encoder(audio)
            out.audio = features
            out.a_va = self.project_a_va(features)
            out.a_aa = None if self.project_a_aa is None else self.project_a_aa(features)
            out.speed_a, out.direction_a = self.speed_a(features), self.direction_a(features)
        order = self._order(out, pairs)
        if out.anchor is None:
            out.anchor = self._zero()
        return out, order

    def _zero(self) -> Tensor:
        """0, with a zero gradient for every parameter."""
        return 0.0 * torch.stack([p.sum() for p in self.parameters()]).sum()

    def _order(self, out: Outputs, pairs: dict[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        sides = {
            "order_vv": (self.order_vv, out.video, out.video),
            "order_aa": (self.order_aa, out.audio, out.audio),
            "order_va": (self.order_va, out.video, out.audio),
        }
        logits = {}
        for name, (first, second) in pairs.items():
            head, one, other = sides[name]
            if one is not None and other is not None:
                logits[name] = head(torch.cat([one[first], other[second]], dim=1))  # (P, 3)
        return logits
