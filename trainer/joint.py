"""The space that video and sound share: the projections of the loss between them, kept beside the encoders."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from chronav import storage
from chronav.errors import CallError
from trainer.config import Norm
from trainer.model import Projection

JOINT = "joint.safetensors"
"""The file of an export that holds the projections; exports of before there were any lack it."""

_SIDES = {"video": "project_v_va", "audio": "project_a_va"}


class JointSpace(nn.Module):
    """Features of either modality onto one unit sphere, where what belongs together lies close."""

    def __init__(self, video_dim: int, audio_dim: int, hidden: int, dim: int, norm: Norm) -> None:
        super().__init__()
        self.project_v_va = Projection(video_dim, hidden, dim, norm)
        self.project_a_va = Projection(audio_dim, hidden, dim, norm)
        self.eval()

    @classmethod
    def of(cls, weights: Mapping[str, Tensor], norm: Norm) -> JointSpace:
        """The space whose weights these are: all sizes are read from them. Raises `KeyError`, `RuntimeError`."""
        video, audio = (weights[f"{name}.layers.0.weight"] for name in _SIDES.values())
        last = weights["project_v_va.layers.3.weight"]
        space = cls(video.shape[1], audio.shape[1], video.shape[0], last.shape[0], norm)
        space.load_state_dict(dict(weights))
        return space

    def twin(self, seed: int, norm: Norm) -> JointSpace:
        """A space of the same sizes with random weights."""
        video, audio = (getattr(self, name).layers[0] for name in _SIDES.values())
        dim = self.project_v_va.get_parameter("layers.3.weight").shape[0]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return JointSpace(video.in_features, audio.in_features, video.out_features, dim, norm)

    @torch.no_grad()
    def settle(self, modality: str, features: Tensor) -> None:
        """Set the statistics of batch norms to those of some features, (N, D): random weights have none."""
        layers = getattr(self, _SIDES[modality]).layers
        norm = layers[1]
        if not isinstance(norm, nn.GroupNorm) and len(features) > 1:
            hidden = layers[0](features)
            norm.running_mean.copy_(hidden.mean(dim=0))
            norm.running_var.copy_(hidden.var(dim=0))

    @torch.inference_mode()
    def project(self, modality: str, features: Tensor) -> Tensor:
        """Features of `video` or `audio`, (N, D), onto the sphere: (N, d), rows of length 1."""
        return getattr(self, _SIDES[modality])(features)


def open_joint(path: str, norm: Norm) -> JointSpace | None:
    """The projections of the export folder `path`, None where it has none; raises `CallError` for broken ones."""
    file = storage.join(path, JOINT)
    if not storage.is_file(file):
        return None
    try:
        return JointSpace.of(load_safetensors(storage.read_bytes(file)), norm)
    except (KeyError, RuntimeError, SafetensorError) as error:
        line = " ".join(str(error).split())[:300]
        raise CallError(
            f"the projections of the export at '{path}' are broken: {line}", code="bad_export", path=path
        ) from error


def joint_weights(model: nn.Module) -> dict[str, Tensor]:
    """The weights of the projections of a training model, or of its momentum copy."""
    prefixes = tuple(f"{name}." for name in _SIDES.values())
    return {name: value for name, value in model.state_dict().items() if name.startswith(prefixes)}
