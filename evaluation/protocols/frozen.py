"""What all protocols on frozen features share: who is compared, the features of each, one measurement a fold."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
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
        return compared(bench, self.name, self._contenders(bench))

    def _contenders(self, bench: Bench) -> list[Contender]:
        from evaluation.bench import Wanted

        task, folds = bench.task, bench.subject.folds
        seeds = sorted({fold.seed for fold in folds})
        twins = {seed: Wanted(bench.twin(f"{RANDOM}@{seed}", seed), task.clip_shape()) for seed in seeds}
        return [
            Contender(PRETRAINED, exported(bench, PRETRAINED, task.own), self.measure),
            Contender(RANDOM, [twins[fold.seed] for fold in folds], self.measure),
            *untrained_here(bench, self.classical(), self.measure),
            *(Contender(AGAINST, exported(bench, AGAINST, side), self.measure) for side in task.sides[1:]),
        ]


def exported(bench: Bench, name: str, side: Exports) -> list[Wanted]:
    """What an export, or that of each fold, is to be shown, fold by fold; together they are called `name`."""
    from evaluation.bench import Wanted

    shape = bench.task.clip_shape(export=side.first)
    return [
        Wanted(bench.exported(side.name(name, fold), side.of(fold)), shape) for fold in bench.subject.folds
    ]


def untrained_here(bench: Bench, classical: Mapping[str, Measure], measure: Measure) -> list[Contender]:
    """Classical descriptors, each name by its `Measure`, and, of video where there are any, supervised weights."""
    from evaluation.bench import Wanted

    shape, folds, file = bench.task.clip_shape(), len(bench.subject.folds), bench.task.config.supervised
    plain = Wanted(networks.classical(CLASSICAL, shape.sample_rate), shape)
    contenders = [Contender(name, [plain] * folds, how) for name, how in classical.items()]
    if file is not None and shape.modality == "video":
        wanted = Wanted(networks.supervised(SUPERVISED, file), shape)
        contenders.append(Contender(SUPERVISED, [wanted] * folds, measure))
    return contenders


def compared(bench: Bench, task: str, contenders: Sequence[Contender]) -> Found:
    """Every contender on every fold, with the fold's seed; features that are missing are made."""
    unique = {w.network.name: w for one in contenders for w in one.wanted}
    clips = bench.clips(list(unique.values()))
    say(f"{task}: {', '.join(one.name for one in contenders)} on {len(bench.subject.folds)} folds")
    return {one.name: _measured(bench, one, clips) for one in contenders}


def _measured(bench: Bench, one: Contender, clips: Mapping[str, Clips]) -> list[Measured]:
    found = []
    for fold, wanted in zip(bench.subject.folds, one.wanted, strict=True):
        seen = clips[wanted.network.name]
        data = bench.subject.fold_data(fold, seen.owner)
        config = bench.task.config.model_copy(update={"seed": fold.seed})
        found.append(one.measure(data, seen.vectors, config))
    return found
