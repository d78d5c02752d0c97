"""torchvision's video networks with weights that somebody trained with labels, given as a file."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chronav import storage
from chronav.errors import CallError
from trainer.augment import Canvas, apply_video, plain_video
from trainer.config import VideoConfig
from trainer.encoders import build_video_encoder
from trainer.encoders.build import VideoEncoder

_NETWORKS = ("r2plus1d_18", "r3d_18", "s3d")
SIZE = 112
"""Height and width of the clips that the networks are shown, pixels."""
_CLASSIFIERS = ("fc.", "classifier.")


@dataclass
class _Seen:
    video: Tensor  # (N, D)


class Supervised:
    """Has the `embed` of an export: features before the classifier.

    The file is a state dict as torchvision publishes them; which network it is for is told by its names and shapes.
    Clips are resized to 112 x 112; their frames and rate are those of the export that is measured beside it.
    """

    def __init__(self, path: str) -> None:
        if not storage.is_file(path):
            raise CallError(
                f"there is no file of weights at '{path}'", code="missing_weights", key="supervised"
            )
        data = storage.read_bytes(path)
        self.digest = hashlib.sha256(data).hexdigest()
        self.name, self._encoder = _fitting(_state(data, path), path)
        self._device = torch.device("cpu")

    def to(self, device: str) -> Supervised:
        """Move the network; returns itself."""
        self._device = torch.device(device)
        self._encoder.to(self._device)
        return self

    @torch.inference_mode()
    def embed(self, video: np.ndarray | None = None, audio: np.ndarray | None = None) -> _Seen:
        """Features of the centre squares of clips, (N, T, H, W, 3) uint8."""
        assert video is not None and audio is None, "a video network"
        clips = torch.as_tensor(video, device=self._device)
        n, _, height, width, _ = clips.shape
        sizes = torch.tensor([[height, width]], device=self._device).expand(n, 2)
        params = torch.from_numpy(plain_video(width / height)).to(self._device).expand(n, -1)
        return _Seen(self._encoder(apply_video(Canvas(clips, sizes), params, SIZE)).float().cpu())


def _state(data: bytes, path: str) -> dict[str, Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is to be said is said in one line
        try:
            state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except Exception as error:  # of whatever kind: the file may hold anything
            line = " ".join(str(error).split())[:200]
            raise _unknown(path, f"is no file of weights ({line})") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise _unknown(path, "holds no plain state dict")
    return {name: value for name, value in state.items() if not name.startswith(_CLASSIFIERS)}


def _fitting(state: dict[str, Tensor], path: str) -> tuple[str, VideoEncoder]:
    """The network that the weights are for, with them."""
    for name in _NETWORKS:
        encoder = build_video_encoder(VideoConfig(encoder=name), "batch").eval()
        wanted = encoder.backbone.state_dict()
        if _without_counts(wanted) == _without_counts(state):
            if not all(bool(torch.isfinite(value).all()) for value in state.values()):
                raise _unknown(path, f"holds weights of {name} that are not finite")
            encoder.backbone.load_state_dict(state, strict=False)
            return name, encoder
    raise _unknown(path, f"fits none of torchvision's {', '.join(_NETWORKS)}")


def _without_counts(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    """Names and shapes; older files lack the norms' counts of batches, which only training reads."""
    return {name: v.shape for name, v in state.items() if not name.endswith("num_batches_tracked")}


def _unknown(path: str, what: str) -> CallError:
    return CallError(f"config key 'supervised': '{path}' {what}", code="bad_weights", key="supervised")
