"""What all protocols on frozen features share: who is compared, the features of each, one measurement a fold."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from chronav.progress import say
from evaluation import networks
from evaluation.config import EvaluateConfig
from evaluation.embedder import Modality
from evaluation.protocols.base import FoldData, Found, Measured
from evaluation.who import AGAINST, CLASSICAL, PRETRAINED, RANDOM

if TYPE_CHECKING:
    from evaluation.bench import Bench, Clips, Wanted
    from evaluation.per_fold import Exports
    from trainer.export import Export

SUPERVISED = "supervised"
Measure = Callable[[FoldData, npt.NDArray[np.float32], EvaluateConfig], Measured]


@dataclass(frozen=True)
class Contender:
    """Who is measured, how, and what its features are made by on each fold of the subject, in their order."""

    name: str
    wanted: Sequence[Wanted]
    measure: Measure


class FrozenProtocol(abc.ABC):
    """Measures features as they are. A subclass says how, and may say who else is to be compared."""

    name: str
    modalities: tuple[Modality, ...]
    main: str
    export_a_fold = True

    @abc.abstractmethod
    def measure(self, data: FoldData, features: npt.NDArray[np.float32], config: EvaluateConfig) -> Measured:
        """The metrics of one network's clip features, (N, D)."""

    def check_export(self, export: Export) -> None:
        """Any export with the modality will do."""
        return

    def classical(self) -> dict[str, Measure]:
        """Baseline name -> how classical descriptors are measured."""
        return {CLASSICAL: self.measure}

    def find(self, bench: Bench) -> Found:
        """Every contender on every fold, with the fold's seed."""
        contenders = self._contenders(bench)
        unique = {w.network.name: w for one in contenders for w in one.wanted}
        clips = bench.clips(list(unique.values()))
        say(f"{self.name}: {', '.join(one.name for one in contenders)} on {len(bench.subject.folds)} folds")
        return {one.name: self._measured(bench, one, clips) for one in contenders}

    def _measured(self, bench: Bench, one: Contender, clips: dict[str, Clips]) -> list[Measured]:
        found = []
        for fold, wanted in zip(bench.subject.folds, one.wanted, strict=True):
            seen = clips[wanted.network.name]
            data = bench.subject.fold_data(fold, seen.owner)
            config = bench.task.config.model_copy(update={"seed": fold.seed})
            found.append(one.measure(data, seen.vectors, config))
        return found

    def _contenders(self, bench: Bench) -> list[Contender]:
        from evaluation.bench import Wanted

        task, modality, folds = bench.task, self.modalities[0], bench.subject.folds
        shape = task.clip_shape()

        def same(wanted: Wanted) -> list[Wanted]:
            return [wanted] * len(folds)

        def exported(name: str, side: Exports) -> list[Wanted]:
            seen = task.clip_shape(modality, side.first)
            return [Wanted(bench.exported(side.name(name, fold), side.of(fold)), seen) for fold in folds]

        seeds = sorted({fold.seed for fold in folds})
        twins = {seed: Wanted(bench.twin(f"{RANDOM}@{seed}", seed), shape) for seed in seeds}
        contenders = [
            Contender(PRETRAINED, exported(PRETRAINED, task.own), self.measure),
            Contender(RANDOM, [twins[fold.seed] for fold in folds], self.measure),
        ]
        plain = Wanted(networks.classical(CLASSICAL, shape.sample_rate), shape)
        contenders += [Contender(name, same(plain), how) for name, how in self.classical().items()]
        if task.config.supervised is not None and modality == "video":
            network = networks.supervised(SUPERVISED, task.config.supervised)
            contenders.append(Contender(SUPERVISED, same(Wanted(network, shape)), self.measure))
        contenders += [Contender(AGAINST, exported(AGAINST, side), self.measure) for side in task.sides[1:]]
        return contenders
