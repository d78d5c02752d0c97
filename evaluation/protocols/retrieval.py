"""Video retrieval (UCF101 protocol): test videos ask, training videos answer, nothing is trained."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.config import EvaluateConfig
from evaluation.embedder import Modality
from evaluation.metrics import chance_recall_at_k, cosine_ranking, group_means, hits_at_k
from evaluation.protocols.base import Answers, FoldData, Measured, Values
from evaluation.protocols.frozen import FrozenProtocol, Measure
from evaluation.who import CLASSICAL

RANKS = (1, 5, 10, 20, 50)


class Retrieval(FrozenProtocol):
    """R@k: the share of queries with a gallery video of their class among the k nearest."""

    name = "retrieval"
    modalities: tuple[Modality, ...] = ("video",)
    main = "R@1"

    def check(self, data: FoldData, config: EvaluateConfig) -> None:
        """Nothing can be asked for that a fold cannot give."""

    def measure(self, data: FoldData, features: npt.NDArray[np.float32], config: EvaluateConfig) -> Measured:
        """R@k for each k that is not larger than the gallery."""
        ranking = video_ranking(data, features, config.seed)
        query, gallery = data.labels[data.test], data.labels[data.train]
        metrics = {
            f"R@{k}": Values(hits_at_k(ranking, query, gallery, k), data.test)
            for k in ranks_up_to(data.train.size)
        }
        omitted = [f"R@{k}" for k in RANKS if k > data.train.size]
        remarks = [f"{', '.join(omitted)} left out: the gallery holds {data.train.size} videos."]
        answers = Answers(data.test, gallery[ranking[:, 0]], query)
        # A copy of what is shown and counted: whole rankings of a large set are gigabytes.
        return Measured(metrics, {}, remarks if omitted else [], answers, ranking[:, : RANKS[-1]].copy())

    def classical(self) -> dict[str, Measure]:
        """Descriptors are of unlike sizes: each is standardised by the gallery before angles are taken."""
        return {CLASSICAL: self._standardised}

    def _standardised(
        self, data: FoldData, features: npt.NDArray[np.float32], config: EvaluateConfig
    ) -> Measured:
        known = features[np.isin(data.owner, data.train)]
        deviation = known.std(axis=0)
        scaled = (features - known.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
        return self.measure(data, scaled.astype(np.float32), config)

    def without_features(self, data: FoldData) -> dict[str, dict[str, float]]:
        """R@k of a random order of the gallery."""
        gallery = data.labels[data.train]
        relevant = np.array([(gallery == label).sum() for label in data.labels[data.test]])
        ranks = ranks_up_to(data.train.size)
        return {
            "chance": {f"R@{k}": float(chance_recall_at_k(relevant, gallery.size, k).mean()) for k in ranks}
        }

    def in_words(self, config: EvaluateConfig) -> str:
        """The protocol as a clause."""
        return (
            "query = test videos, gallery = training videos, cosine between mean clip features, no training; "
            "a hit if any of the k nearest shares the class"
        )


def video_ranking(data: FoldData, features: npt.NDArray[np.float32], seed: int) -> npt.NDArray[np.intp]:
    """For each test video the positions in `data.train`, nearest first: (Q, G)."""
    videos = group_means(features, data.owner, data.labels.size)  # (V, D)
    return cosine_ranking(videos[data.test], videos[data.train], seed)


def ranks_up_to(gallery: int) -> list[int]:
    """The ranks k that a gallery of this size is enough for."""
    return [k for k in RANKS if k <= gallery]
