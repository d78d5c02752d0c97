"""What all protocols share: the data of one fold in, values with their videos out."""

from __future__ import annotations

import typing
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from evaluation.config import EvaluateConfig
from evaluation.embedder import Modality


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
class Measured:
    """What a protocol found on one fold: metrics with an interval, other numbers, remarks."""

    metrics: dict[str, Values]
    numbers: dict[str, float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


class Protocol(typing.Protocol):
    """One way to measure frozen features."""

    name: str
    modality: Modality
    main: str
    """The metric that is named first."""

    def check(self, data: FoldData, config: EvaluateConfig) -> None:
        """Raise `CallError` where the config asks for what the fold cannot give."""

    def measure(self, data: FoldData, features: npt.NDArray[np.float32], config: EvaluateConfig) -> Measured:
        """The metrics of one network's clip features, (N, D)."""

    def without_features(self, data: FoldData) -> dict[str, dict[str, float]]:
        """What is reached without looking: baseline name -> metric -> expected value."""

    def in_words(self) -> str:
        """The protocol as a clause of a sentence."""
