"""Retrieval across modalities: pictures ask for sounds, and sounds for pictures, in the space that they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from chronav.errors import CallError
from chronav.progress import say
from evaluation.config import EvaluateConfig
from evaluation.embedder import Modality
from evaluation.metrics import chance_recall_at_k, cosine_ranking, group_means, hits_at_k
from evaluation.protocols.base import FoldData, Found, Measured, Values
from evaluation.protocols.retrieval import RANKS, ranks_up_to
from evaluation.who import AGAINST, PRETRAINED, RANDOM

if TYPE_CHECKING:
    from evaluation.bench import Bench, Clips
    from evaluation.networks import Network
    from trainer.export import Export
    from trainer.joint import JointSpace

_DIRECTIONS = {"v2a": (0, 1), "a2v": (1, 0)}
Both = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Mean projections of every video's pictures and of its sound, (V, d) each."""


class CrossModal:
    """`v2a`: video asks, sound answers; `a2v`: the reverse.

    `…_R@k`: a test video asks the training videos; a hit if any of the k nearest shares its class.
    `…_own_R@k`: a test video asks all test videos; a hit if its own other side is among the k nearest.
    """

    name = "crossmodal"
    modalities: tuple[Modality, ...] = ("video", "audio")
    main = "v2a_R@1"
    export_a_fold = False

    def check(self, data: FoldData, config: EvaluateConfig) -> None:
        """Nothing can be asked for that a fold cannot give."""

    def check_export(self, export: Export) -> None:
        """The export must hold the projections into the shared space."""
        if export.joint_space() is None:
            raise CallError(
                f"the export at '{export.path}' has no space that video and sound share: it was trained without the "
                "loss between them, or written before exports held it",
                code="unfit_export",
                path=export.path,
            )

    def find(self, bench: Bench) -> Found:
        """The export, its random twins and its rival, on every fold."""
        seeds = sorted({fold.seed for fold in bench.subject.folds})
        say(f"{self.name}: {len(bench.subject.folds)} folds")
        export, rival = bench.task.export, bench.task.rival
        spaces = {seed: self._random(bench, seed) for seed in seeds}
        own = dict.fromkeys(
            seeds, _projected(bench, export, bench.exported(PRETRAINED, export), _space(export))
        )
        found = {PRETRAINED: self._folds(bench, own), RANDOM: self._folds(bench, spaces)}
        if rival is not None:
            other = _projected(bench, rival, bench.exported(AGAINST, rival), _space(rival))
            found[AGAINST] = self._folds(bench, dict.fromkeys(seeds, other))
        return found

    def _random(self, bench: Bench, seed: int) -> Both:
        export = bench.task.export
        space = _space(export).twin(seed, export.config.norm)
        training = bench.subject.folds[0].train

        def settle(modality: Modality, clips: Clips) -> None:
            known = clips.vectors[np.isin(clips.owner, training)]
            space.settle(modality, torch.from_numpy(known))

        return _projected(bench, export, bench.twin(f"{RANDOM}@{seed}", seed), space, settle)

    def _folds(self, bench: Bench, both: dict[int, Both]) -> list[Measured]:
        nobody = np.empty(0, np.int64)
        return [
            self.measure(bench.subject.fold_data(fold, nobody), both[fold.seed], fold.seed)
            for fold in bench.subject.folds
        ]

    def measure(self, data: FoldData, both: Both, seed: int) -> Measured:
        """All ranks that the training videos, and the test videos, are enough for."""
        labels, test = data.labels, data.test
        metrics, own, rankings = {}, {}, {}
        for name, (ask, answer) in _DIRECTIONS.items():
            ranking = cosine_ranking(both[ask][test], both[answer][data.train], seed)
            rankings[name] = ranking[:, : RANKS[-1]].copy()  # whole ones of a large set are gigabytes
            for k in ranks_up_to(data.train.size):
                hits = hits_at_k(ranking, labels[test], labels[data.train], k)
                metrics[f"{name}_R@{k}"] = Values(hits, test)
            ranking = cosine_ranking(both[ask][test], both[answer][test], seed)
            for k in ranks_up_to(test.size):
                own[f"{name}_own_R@{k}"] = Values(hits_at_k(ranking, test, test, k), test)
        return Measured(metrics | own, ranking=rankings["v2a"])

    def without_features(self, data: FoldData) -> dict[str, dict[str, float]]:
        """A random order of the training videos, and of the test videos."""
        gallery = data.labels[data.train]
        relevant = np.array([(gallery == label).sum() for label in data.labels[data.test]])
        chance = {}
        for name in _DIRECTIONS:
            for k in ranks_up_to(data.train.size):
                chance[f"{name}_R@{k}"] = float(chance_recall_at_k(relevant, gallery.size, k).mean())
            chance |= {f"{name}_own_R@{k}": k / data.test.size for k in ranks_up_to(data.test.size)}
        return {"chance": chance}

    def in_words(self, config: EvaluateConfig) -> str:
        """The protocol as a clause."""
        return (
            "query = one modality of the test videos, gallery = the other of the training videos (own: of the test "
            "videos), cosine between mean projected clip features in the space of the v-a loss, no training"
        )


def _space(export: Export) -> JointSpace:
    space = export.joint_space()
    assert space is not None, "checked before anything is embedded"
    return space


def _projected(
    bench: Bench,
    export: Export,
    network: Network,
    space: JointSpace,
    settle: Callable[[Modality, Clips], None] | None = None,
) -> Both:
    """Clip features of both modalities onto the sphere, and the mean of each video's."""
    from evaluation.bench import Wanted

    sides = []
    modalities: tuple[Modality, Modality] = ("video", "audio")
    for modality in modalities:
        shape = bench.task.clip_shape(modality, export)
        clips = bench.clips([Wanted(network, shape)])[network.name]
        if settle is not None:
            settle(modality, clips)
        points = space.project(modality, torch.from_numpy(clips.vectors)).numpy()
        sides.append(group_means(points, clips.owner, len(bench.subject.videos)))
    return sides[0], sides[1]
