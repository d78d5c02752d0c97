"""What all protocols share: the data of one fold in, values with their videos out."""

from __future__ import annotations

import typing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from evaluation.config import EvaluateConfig
from evaluation.embedder import Modality

if TYPE_CHECKING:
    from evaluation.bench import Bench
    from trainer.export import Export


@dataclass(frozen=True)
class FoldData:
    """One fold: V videos, of which `train` and `test` are indices; every one of these has clips.

    Every class of `test` occurs in `train`. `owner` (N,) indexes the videos.
    """

    labels: np.ndarray  # (V,) class names
    groups: np.ndarray  # (V,) what may not be torn apart in validation
    train: npt.NDArray[np.intp]
    test: npt.NDArray[np.intp]
    owner: npt.NDArray[np.int64]  # (N,)


@dataclass(frozen=True)
class Values:
    """A metric as the values that it is the mean of, (U,), and the video of each, (U,)."""

    values: npt.NDArray[np.float64]
    videos: npt.NDArray[np.intp]


@dataclass(frozen=True)
class Answers:
    """What was answered for each test video: class names, (T,) each, and the video, (T,)."""

    videos: npt.NDArray[np.intp]
    given: np.ndarray
    truth: np.ndarray


@dataclass(frozen=True)
class Measured:
    """What a protocol found on one fold: metrics with an interval, other numbers, remarks.

    `answers`: for tables by class. `ranking` (Q, k): for each test video the positions in `FoldData.train` of
    the nearest, nearest first. `tallied`: remarks that are told with who they are of, and on how many folds.
    """

    metrics: dict[str, Values]
    numbers: dict[str, float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    answers: Answers | None = None
    ranking: npt.NDArray[np.intp] | None = None
    tallied: list[str] = field(default_factory=list)


Found = dict[str, list[Measured]]
"""Who was measured -> what was found on each fold of the subject, in their order."""


class Protocol(typing.Protocol):
    """One way to measure an export: what the job needs to know of it."""

    name: str
    modalities: tuple[Modality, ...]
    main: str
    """The metric that is named first."""
    export_a_fold: bool
    """Whether there may be an export for each fold, in place of one for all."""

    def check(self, data: FoldData, config: EvaluateConfig) -> None:
        """Raise `CallError` where the config asks for what the fold cannot give."""

    def check_export(self, export: Export) -> None:
        """Raise `CallError` where the export lacks what the protocol needs, beside its modalities."""

    def find(self, bench: Bench) -> Found:
        """Measure the export (`PRETRAINED`) and everything that it is compared with, on every fold."""

    def without_features(self, data: FoldData) -> dict[str, dict[str, float]]:
        """What is reached without looking: baseline name -> metric -> expected value."""

    def in_words(self, config: EvaluateConfig) -> str:
        """The protocol as a clause of a sentence."""
