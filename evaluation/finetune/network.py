"""The network that is fine-tuned: one encoder of an export, or one with random weights, and a linear head."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from trainer.config import Norm
from trainer.encoders import build_audio_encoder, build_video_encoder

if TYPE_CHECKING:
    from evaluation.embedder import Modality
    from trainer.export import Export, ExportConfig

HEAD = "head."


class Classifier(nn.Module):
    """An encoder, dropout on its features, and a linear layer that says the same of every class at the start."""

    def __init__(self, encoder: nn.Module, dim: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(dim, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, clips: Tensor) -> Tensor:
        """Clips as the encoder takes them -> (B, classes) logits."""
        return self.head(self.dropout(self.encoder(clips)))


def build_classifier(
    export: Export, modality: Modality, classes: int, dropout: float, seed: int, scratch: bool, exchange: bool
) -> Classifier:
    """A classifier of an export's encoder, or, `scratch`, of the same network with random weights.

    `exchange`: whether workers with GPUs can exchange the statistics of their norms, as `sync_batch` has it; where
    not, batch norm with the same weights takes its place.
    """
    norm: Norm = "batch" if export.config.norm == "sync_batch" and not exchange else export.config.norm
    encoder, dim = _encoder(export.config, modality, norm)
    weights = (export.random_twin(seed) if scratch else export).weights()
    encoder.load_state_dict(_below(weights, f"{modality}_encoder."))
    return Classifier(encoder, dim, classes, dropout)


def _encoder(config: ExportConfig, modality: Modality, norm: Norm) -> tuple[nn.Module, int]:
    if modality == "audio":
        audio = build_audio_encoder(config.audio, norm)
        return audio, audio.dim
    video = build_video_encoder(config.video, norm)
    return video.to(memory_format=torch.channels_last_3d), video.dim


def tuned_weights(classifier: Classifier, modality: Modality) -> dict[str, Tensor]:
    """What a fine-tuning leaves: the encoder's weights under their names in an export, and `head.…`."""
    encoder = {f"{modality}_encoder.{name}": value for name, value in classifier.encoder.state_dict().items()}
    head = {f"{HEAD}{name}": value for name, value in classifier.head.state_dict().items()}
    return {name: value.detach().cpu().contiguous() for name, value in (encoder | head).items()}


def export_weights(export: Export, tuned: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of an export with a tuned encoder in its place."""
    return export.weights() | {name: value for name, value in tuned.items() if not name.startswith(HEAD)}


def _below(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
