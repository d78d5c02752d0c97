"""The protocol of a measurement, in words for people and as params for MLflow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chronav import storage
from chronav.errors import CallError
from evaluation.config import EvaluateConfig
from evaluation.embedder import ClipShape, Modality
from evaluation.per_fold import Exports
from evaluation.protocols.base import Protocol
from evaluation.splits import Fold
from evaluation.supervised import Supervised
from evaluation.who import PLACE

if TYPE_CHECKING:
    from evaluation.subject import Subject
    from trainer.export import Export


_LEAST_WINDOW_S = 1.0


@dataclass(frozen=True)
class Measurement:
    """What is measured and how: a protocol, an export, a config, a split; and another export to compare with.

    `split`: as `splits.divide` has it; a number may be given as one. `own_folds`, `rival_folds`: where there is an
    export for each fold; `export` and `rival` are then the first of them, and speak for all.
    """

    method: Protocol
    export: Export
    config: EvaluateConfig
    asked_split: str | int | None = None
    rival: Export | None = None
    own_folds: Exports | None = None
    rival_folds: Exports | None = None

    @property
    def split(self) -> str | None:
        """The split that is asked for."""
        return None if self.asked_split is None else str(self.asked_split)

    @property
    def exports(self) -> list[Export]:
        """The export, and its rival where there is one; where there is one a fold, all of them."""
        return [export for side in self.sides for export in side.each]

    @property
    def own(self) -> Exports:
        """What is measured."""
        return self.own_folds or Exports(self.export.path, self.export)

    @property
    def sides(self) -> list[Exports]:
        """What is measured, and what it is compared with where there is something."""
        rival = Exports(self.rival.path, self.rival) if self.rival else None
        other = self.rival_folds or rival
        return [self.own, *([other] if other else [])]

    @property
    def against(self) -> str | None:
        """Path of what it is compared with."""
        return storage.absolute(self.sides[1].path) if len(self.sides) > 1 else None

    def asked(self, folds: Sequence[Fold]) -> list[tuple[Export, list[Fold]]]:
        """Every export with the folds whose test items it answers for."""
        return [pair for side in self.sides for pair in side.asked(folds)]

    def clip_shape(self, modality: Modality | None = None, export: Export | None = None) -> ClipShape:
        """What is cut from the table for an export (default: the measured one, and the protocol's modality).

        Raises `CallError` where the export was not trained on the modality.
        """
        export, modality = export or self.export, modality or self.method.modalities[0]
        return clip_shape(export, modality, self.config.crops, self.window_s(export), self.method.name)

    def window_s(self, export: Export) -> float:
        """Seconds of a window of sound: short clips of pre-training would not overlap."""
        return self.config.window_s or max(_LEAST_WINDOW_S, export.config.clip_audio_s)

    def check_exports(self) -> None:
        """Raise `CallError` where an export lacks a modality of the protocol, or what else is needed is not there.

        Also where the rates of the two that are compared differ: no table fits both.
        """
        if (self.own_folds or self.rival_folds) and not self.method.export_a_fold:
            raise CallError(
                f"'{self.method.name}' takes one export for all folds, not one a fold ({PLACE})",
                code="unfit_export",
                key="export",
            )
        for export in self.exports:
            for modality in self.method.modalities:
                self.clip_shape(modality, export)
            self.method.check_export(export)
        for side in self.sides[1:]:
            for modality in self.method.modalities:
                _check_alike(self.export, side.first, modality)
        if self.config.supervised is not None and "video" in self.method.modalities:
            Supervised(self.config.supervised)

    def in_words(self, subject: Subject) -> str:
        """One sentence with what is needed to repeat the measurement."""
        c, config = self.export.config, self.config
        crops = "1 crop" if config.crops == 1 else f"{config.crops} crops"
        seconds = self.window_s(self.export)
        clips = {
            "video": f"{config.clips} clips x {crops}, {c.n_frames} frames at {c.fps:g} fps, {c.size} px",
            "audio": f"{config.clips} windows of {seconds:g} s at {c.sample_rate} Hz, evenly spaced",
        }
        cut = " and ".join(clips[modality] for modality in self.method.modalities)
        tested = len({index for fold in subject.folds for index in fold.test.tolist()})
        division = subject.division + (", an export for each fold" if self.own_folds else "")
        seeds = f"seed {config.seed}" if config.seeds == 1 else f"{config.seeds} seeds from {config.seed}"
        spans = "groups" if subject.has_groups else "videos"
        return (
            f"{self.method.in_words(config)}; {cut}; {division}; {seeds}; n = {tested} test videos; "
            f"95 % intervals by bootstrap over {spans}"
        )

    def tags(self, subject: Subject) -> dict[str, str]:
        """What ties the run to the export, the pre-training run and the table."""
        return {
            "export": storage.absolute(self.own.path),
            "pretrain_run_id": ", ".join(one.config.mlflow_run_id or "" for one in self.own.each),
            "table": subject.table.path,
            "table_version": str(subject.table_version),
        }

    def params(self, subject: Subject) -> dict[str, Any]:
        """The protocol, key by key."""
        c = self.export.config
        return {
            "protocol": self.method.name,
            "dataset": subject.dataset,
            "split": self.split or "default",
            "division": subject.division,
            "against": self.against or "",
            "frames": c.n_frames,
            "fps": c.fps,
            "size": c.size,
            "sample_rate": c.sample_rate,
            "audio_window_s": self.window_s(self.export),
            "recipe": c.recipe,
            "pretrain_steps": c.steps,
            **self.config.model_dump(exclude={"window_s"}),
        }


def _check_alike(export: Export, rival: Export, modality: Modality) -> None:
    name, what, unit = (
        ("fps", "pictures", "frames a second") if modality == "video" else ("sample_rate", "sound", "Hz")
    )
    own, other = getattr(export.config, name), getattr(rival.config, name)
    if own != other:
        raise CallError(
            f"'{rival.path}' was trained on {what} at {other:g} {unit}, the measured export at {own:g}: "
            "they cannot be shown the same items",
            code="bad_value",
            key="against",
            path=rival.path,
        )


def clip_shape(
    export: Export, modality: Modality, crops: int, window_s: float | None, asked_by: str
) -> ClipShape:
    """What is cut from a table for an export; raises `CallError` where it was not trained on the modality."""
    c = export.config
    if (c.fps if modality == "video" else c.sample_rate) == 0:
        raise CallError(
            f"the export was trained without {modality}; '{asked_by}' needs it",
            code="unfit_export",
            path=export.path,
        )
    if modality == "video":
        return ClipShape(modality, c.n_frames, crops, c.sample_rate)
    length = round((window_s or c.clip_audio_s) * c.sample_rate)
    if length < 1 << (round(c.audio.window_s * c.sample_rate) - 1).bit_length():  # of its Fourier transform
        raise CallError(
            f"config key 'window_s': {window_s:g} s are shorter than a window of the spectrogram",
            code="bad_value",
            key="window_s",
        )
    return ClipShape(modality, length, 1, c.sample_rate)
