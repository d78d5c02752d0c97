"""Audio classification (ESC-50 protocol): an SVM on frozen features of windows of sound."""

from __future__ import annotations

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

    def classical(self) -> dict[str, Measure]:
        """Mean and deviation of log-mels and MFCC over a recording, with both kernels."""
        return {CLASSICAL: _described("linear_svm"), f"{CLASSICAL}_rbf": _described("rbf_svm")}

    def in_words(self, config: EvaluateConfig) -> str:
        """The protocol as a clause."""
        kernel = "SVM with an RBF kernel" if config.kernel == "rbf" else "linear SVM"
        return (
            f"{kernel} on frozen, standardised features of windows of sound, C chosen by "
            "validation (in whole groups where there are any) within "
            "the training split, scores averaged over each recording"
        )


def _described(kind: Kind) -> Measure:
    """One example a recording: its statistics, which the means over its windows give."""

    def measure(data: FoldData, features: npt.NDArray[np.float32], config: EvaluateConfig) -> Measured:
        present = np.unique(data.owner)
        moments = group_means(features, data.owner, data.labels.size)[present]
        whole = FoldData(data.labels, data.groups, data.train, data.test, present)
        measured = probe(whole, statistics(moments), config, kind)
        by_video = {name: values for name, values in measured.metrics.items() if name.endswith("_video")}
        return Measured(by_video, measured.numbers, measured.remarks, measured.answers)

    return measure
