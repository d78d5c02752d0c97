"""The protocol of a measurement, in words for people and as params for MLflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chronav import storage
from chronav.errors import CallError
from evaluation.config import EvaluateConfig
from evaluation.embedder import ClipShape
from evaluation.protocols.base import Protocol

if TYPE_CHECKING:
    from evaluation.subject import Subject
    from trainer.export import Export


@dataclass(frozen=True)
class Measurement:
    """What is measured and how: a protocol, an export, a split, a config."""

    method: Protocol
    export: Export
    config: EvaluateConfig
    split: int

    def clip_shape(self) -> ClipShape:
        """What is cut from the table; raises `CallError` where the export was not trained on the modality."""
        c, modality = self.export.config, self.method.modality
        if (c.fps if modality == "video" else c.sample_rate) == 0:
            raise CallError(
                f"the export was trained without {modality}; protocol '{self.method.name}' needs it",
                code="unfit_export",
                path=self.export.path,
            )
        length = c.n_frames if modality == "video" else round(c.clip_audio_s * c.sample_rate)
        return ClipShape(modality, length, self.config.crops, c.sample_rate)

    def in_words(self, subject: Subject) -> str:
        """One sentence with what is needed to repeat the measurement."""
        c, config = self.export.config, self.config
        if self.method.modality == "video":
            crops = "1 crop" if config.crops == 1 else f"{config.crops} crops"
            clip = f"{config.clips} clips x {crops}, {c.n_frames} frames at {c.fps:g} fps, {c.size} px"
        else:
            clip = f"{config.clips} windows of {c.clip_audio_s:g} s at {c.sample_rate} Hz"
        where = ", ".join(fold.name for fold in subject.folds)
        tested = sum(fold.test.size for fold in subject.folds)
        return (
            f"{self.method.in_words()}; {clip}; split {where}; seed {config.seed}; n = {tested} test videos"
        )

    def tags(self, subject: Subject) -> dict[str, str]:
        """What ties the run to the export, the pre-training run and the table."""
        return {
            "export": storage.absolute(self.export.path),
            "pretrain_run_id": self.export.config.mlflow_run_id or "",
            "table": storage.absolute(subject.table),
            "table_version": str(subject.table_version),
        }

    def params(self, subject: Subject) -> dict[str, Any]:
        """The protocol, key by key."""
        c = self.export.config
        return {
            "protocol": self.method.name,
            "dataset": subject.dataset,
            "split": self.split,
            "folds": ", ".join(fold.name for fold in subject.folds),
            "frames": c.n_frames,
            "fps": c.fps,
            "size": c.size,
            "sample_rate": c.sample_rate,
            "audio_window_s": c.clip_audio_s,
            "recipe": c.recipe,
            "pretrain_steps": c.steps,
            **self.config.model_dump(),
        }
