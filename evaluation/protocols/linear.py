"""Linear probe on frozen features of video: what a linear classifier can read from them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from chronav.errors import CallError
from evaluation.classifier import Choice, Kind, choose_c, class_scores, fit, stopped_early
from evaluation.config import EvaluateConfig
from evaluation.embedder import Modality
from evaluation.metrics import group_means, in_top_k, spread_of
from evaluation.protocols.base import Answers, FoldData, Measured, Values
from evaluation.protocols.frozen import FrozenProtocol


class LinearProbe(FrozenProtocol):
    """Top-1 and top-5 by clip, and by video with the classifier's scores averaged over its clips."""

    name = "linear"
    modalities: tuple[Modality, ...] = ("video",)
    main = "top1_video"

    def kind(self, config: EvaluateConfig) -> Kind:
        """The classifier."""
        return "logistic"

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
        """Train on all clips of the training videos; with `labels`, also on few videos, several times."""
        kind = self.kind(config)
        measured = probe(data, features, config, kind)
        numbers, remarks = measured.numbers, measured.remarks
        if config.labels is not None:
            accuracies = _few_labels(data, features, config.labels, config, kind)
            name = f"top1_video_{config.labels}_labels"
            numbers |= {name: float(np.mean(accuracies)), f"{name}_std": spread_of(accuracies)}
            remarks.append(
                f"{config.labels} labels: one mean feature a video; mean over {config.draws} draws, "
                "stratified by class."
            )
        return measured

    def without_features(self, data: FoldData) -> dict[str, dict[str, float]]:
        """A guess among the training classes, and the most frequent one always."""
        train = Counter(data.labels[data.train])
        most = max(sorted(train), key=lambda label: train[label])
        share = float((data.labels[data.test] == most).mean())
        chance = {f"top{k}_{of}": k / len(train) for k in _ranks(len(train)) for of in ("video", "clip")}
        return {"chance": chance, "majority_class": {"top1_video": share}}

    def in_words(self, config: EvaluateConfig) -> str:
        """The protocol as a clause."""
        return (
            "logistic regression on frozen, standardised features of clips, C chosen by validation "
            "(in whole groups where there are any) "
            "within the training split, class probabilities averaged over each video"
        )


def probe(data: FoldData, features: npt.NDArray[np.float32], config: EvaluateConfig, kind: Kind) -> Measured:
    """Train on the clips of the training videos; whether each test clip and each test video was told right.

    `topk_…`: whether the right class is among the k with the highest scores; k = 5 where there are more classes.
    """
    learn, ask = np.isin(data.owner, data.train), np.isin(data.owner, data.test)
    scores, classes, choice, early = _scores(
        data, data.owner[learn], features[learn], features[ask], config, kind
    )
    metrics, answers = told(data, scores, data.owner[ask], classes)
    remarks = []
    if not choice.validated:
        remarks.append("Too few groups in the training split to choose C: the middle of the grid.")
    if early:
        remarks.append("The classifier's fit ended at its iteration limit, before it had converged.")
    tallied = ["C was chosen at the end of its grid"] if choice.at_edge else []
    return Measured(metrics, {"C": choice.c}, remarks, answers, tallied=tallied)


def told(
    data: FoldData, scores: npt.NDArray[np.float64], asked: npt.NDArray[np.int64], classes: np.ndarray
) -> tuple[dict[str, Values], Answers]:
    """From class scores of the clips of the test videos, (N, C), to metrics and what each video was answered.

    `asked` (N,): the video of each clip; `classes` (C,): the names of the columns. Scores are averaged over a video.
    """
    by_video = group_means(scores, asked, data.labels.size)[data.test]  # (T, C)
    ranks = _ranks(classes.size)
    metrics = {
        f"top{k}_video": Values(in_top_k(by_video, classes, data.labels[data.test], k), data.test)
        for k in ranks
    }
    metrics |= {
        f"top{k}_clip": Values(in_top_k(scores, classes, data.labels[asked], k), asked) for k in ranks
    }
    return metrics, Answers(data.test, classes[by_video.argmax(axis=1)], data.labels[data.test])


def _ranks(classes: int) -> list[int]:
    return [1, 5] if classes > 5 else [1]


def _few_labels(
    data: FoldData, features: npt.NDArray[np.float32], labels: int, config: EvaluateConfig, kind: Kind
) -> list[float]:
    """Accuracy on the test videos when only `labels` training videos have a label, for each of several draws.

    A label is one of a video, so an example is a video too: its mean feature, as in retrieval.
    """
    means = group_means(features, data.owner, data.labels.size).astype(np.float32)  # (V, D)
    rng = np.random.default_rng(config.seed)
    accuracies = []
    for _ in range(config.draws):
        drawn = data.train[draw_stratified(data.labels[data.train], labels, rng)]
        scores, classes, _, _ = _scores(data, drawn, means[drawn], means[data.test], config, kind)
        right = classes[scores.argmax(axis=1)] == data.labels[data.test]
        accuracies.append(float(right.mean()))
    return accuracies


def _scores(
    data: FoldData,
    owner: npt.NDArray[np.intp],
    learn: npt.NDArray[np.float32],
    ask: npt.NDArray[np.float32],
    config: EvaluateConfig,
    kind: Kind,
) -> tuple[npt.NDArray[np.float64], np.ndarray, Choice, bool]:
    """Class scores of `ask` (N, D) by a classifier of `learn` (M, D), whose videos are `owner` (M,).

    With the classes, the choice of C, and whether the fit ended before it had converged.
    """
    y, groups = data.labels[owner].astype(str), data.groups[owner].astype(str)
    grid = config.rbf_c_grid if kind == "rbf_svm" else config.c_grid
    # The fits are many and small: BLAS threads that wait for a core others use made them 50 times slower.
    with threadpool_limits(1):
        choice = choose_c(learn, y, groups, grid, config.inner_folds, config.seed, kind)
        model = fit(learn, y, choice.c, kind)
        scores, classes = class_scores(model, ask)
    return scores, classes, choice, stopped_early(model)


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
