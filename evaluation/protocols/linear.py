"""Linear probe on frozen features, of video or of sound: what a linear classifier can read from them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from chronav.errors import CallError
from evaluation.classifier import choose_c, class_scores, fit
from evaluation.config import EvaluateConfig
from evaluation.embedder import Modality
from evaluation.metrics import group_means, spread_of
from evaluation.protocols.base import FoldData, Measured, Values


class LinearProbe:
    """Top-1 by clip, and by video with the class probabilities averaged over its clips."""

    main = "top1_video"

    def __init__(self, name: str, modality: Modality) -> None:
        self.name, self.modality = name, modality

    def check(self, data: FoldData, config: EvaluateConfig) -> None:
        """The training split must hold two classes, and as many videos as labels are asked for."""
        if len(set(data.labels[data.train])) < 2:
            raise CallError("a classifier needs training items of two classes", code="too_few_classes")
        if config.labels is not None and config.labels > data.train.size:
            raise CallError(
                f"config key 'labels': {config.labels} labels asked for, the training split holds "
                f"{data.train.size} videos",
                code="bad_value",
                key="labels",
            )

    def measure(self, data: FoldData, features: npt.NDArray[np.float32], config: EvaluateConfig) -> Measured:
        """Train on all clips of the training videos; with `labels`, also on a few videos, several times."""
        clip_values, video_values, c, validated = _probe(data, features, data.train, config)
        numbers = {"C": c}
        remarks = (
            [] if validated else ["Too few groups in the training split to choose C: the middle of the grid."]
        )
        if config.labels is not None:
            rng = np.random.default_rng(config.seed)
            accuracies = []
            for _ in range(config.draws):
                drawn = draw_stratified(data.labels[data.train], config.labels, rng)
                accuracies.append(float(_probe(data, features, data.train[drawn], config)[1].values.mean()))
            name = f"top1_video_{config.labels}_labels"
            numbers |= {name: float(np.mean(accuracies)), f"{name}_std": spread_of(accuracies)}
            remarks.append(f"{config.labels} labels: mean over {config.draws} draws, stratified by class.")
        return Measured({"top1_video": video_values, "top1_clip": clip_values}, numbers, remarks)

    def without_features(self, data: FoldData) -> dict[str, dict[str, float]]:
        """A guess among the training classes, and the most frequent one always."""
        train = Counter(data.labels[data.train])
        most = max(sorted(train), key=lambda label: train[label])
        share = float((data.labels[data.test] == most).mean())
        return {
            "chance": {"top1_video": 1 / len(train), "top1_clip": 1 / len(train)},
            "majority_class": {"top1_video": share},
        }

    def in_words(self) -> str:
        """The protocol as a clause."""
        what = "clips" if self.modality == "video" else "overlapping windows of sound"
        return (
            f"logistic regression on frozen, standardised features of {what}, C chosen by grouped validation "
            "within the training split, class probabilities averaged over each video"
        )


def _probe(
    data: FoldData, features: npt.NDArray[np.float32], train: npt.NDArray[np.intp], config: EvaluateConfig
) -> tuple[Values, Values, float, bool]:
    """Train on the clips of `train`; whether each test clip and each test video was told right."""
    learn, ask = np.isin(data.owner, train), np.isin(data.owner, data.test)
    x, owner = features[learn], data.owner[learn]
    y, groups = data.labels[owner].astype(str), data.groups[owner].astype(str)
    # The fits are many and small: BLAS threads that wait for a core others use made them 50 times slower.
    with threadpool_limits(1):
        choice = choose_c(x, y, groups, config.c_grid, config.inner_folds, config.seed)
        scores, classes = class_scores(fit(x, y, choice.c), features[ask])  # (N, C), (C,)
    asked = data.owner[ask]
    by_video = group_means(scores, asked, data.labels.size)[data.test]  # (T, C)
    right_clip = classes[scores.argmax(axis=1)] == data.labels[asked]
    right_video = classes[by_video.argmax(axis=1)] == data.labels[data.test]
    clip_values = Values(right_clip.astype(np.float64), asked)
    return clip_values, Values(right_video.astype(np.float64), data.test), choice.c, choice.validated


def draw_stratified(labels: np.ndarray, n: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Positions of `n` items, spread over the classes as evenly as they allow, in random order of each."""
    queues = [rng.permutation(np.flatnonzero(labels == label)).tolist() for label in sorted(set(labels))]
    drawn: list[int] = []
    while len(drawn) < n:
        for place in rng.permutation(len(queues)):
            if queues[place] and len(drawn) < n:
                drawn.append(queues[place].pop())
        queues = [queue for queue in queues if queue]
    return np.array(sorted(drawn), dtype=np.intp)
