"""Audio classification (ESC-50 protocol): an SVM on frozen features of windows of sound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from evaluation.classical import statistics
from evaluation.classifier import Kind
from evaluation.config import EvaluateConfig
from evaluation.embedder import Modality
from evaluation.metrics import group_means
from evaluation.protocols.base import FoldData, Measured
from evaluation.protocols.frozen import Measure
from evaluation.protocols.linear import LinearProbe, probe
from evaluation.who import CLASSICAL


class AudioSVM(LinearProbe):
    """Top-1 and top-5 by window, and by recording with the SVM's scores averaged over its windows."""

    name = "audio"
    modalities: tuple[Modality, ...] = ("audio",)

    def kind(self, config: EvaluateConfig) -> Kind:
        """The classifier: a linear SVM, or the one that is asked for."""
        return "rbf_svm" if config.kernel == "rbf" else "linear_svm"

    def measure(self, data: FoldData, features: npt.NDArray[np.float32], config: EvaluateConfig) -> Measured:
        """Train on windows, or, with `pool=features`, on mean and deviation of each training recording's."""
        if config.pool == "scores":
            return super().measure(data, features, config)
        squares = np.square(features.astype(np.float64))
        return _of_recordings(data, np.hstack([features, squares]), config, self.kind(config))

    def classical(self) -> dict[str, Measure]:
        """Mean and deviation of log-mels and MFCC over a recording, with both kernels."""
        return {CLASSICAL: _described("linear_svm"), f"{CLASSICAL}_rbf": _described("rbf_svm")}

    def in_words(self, config: EvaluateConfig) -> str:
        """The protocol as a clause."""
        kernel = "SVM with an RBF kernel" if config.kernel == "rbf" else "linear SVM"
        if config.pool == "features":
            cut, pooled = "mean and deviation of frozen features over a recording's windows, standardised", ""
        else:
            cut = "frozen, standardised features of windows of sound"
            pooled = ", scores averaged over each recording"
        return (
            f"{kernel} on {cut}, C chosen by validation (in whole groups where there are any) within "
            f"the training split{pooled}"
        )


def _described(kind: Kind) -> Measure:
    """One example a recording: its statistics, which the means over its windows give."""

    def measure(data: FoldData, features: npt.NDArray[np.float32], config: EvaluateConfig) -> Measured:
        return _of_recordings(data, features, config, kind)

    return measure


def _of_recordings(
    data: FoldData, moments: npt.NDArray[np.floating], config: EvaluateConfig, kind: Kind
) -> Measured:
    """`moments` (N, 2 n): what is described of each window, and its squares; a recording has the means of both."""
    present = np.unique(data.owner)
    means = group_means(moments, data.owner, data.labels.size)[present]
    whole = FoldData(data.labels, data.groups, data.train, data.test, present)
    measured = probe(whole, statistics(means), config, kind)
    by_video = {name: values for name, values in measured.metrics.items() if name.endswith("_video")}
    return replace(measured, metrics=by_video)
