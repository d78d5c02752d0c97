"""Fine-tuning: all weights of the encoder and a linear head, against the same network from scratch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from chronav import storage
from chronav.cluster import connected
from chronav.progress import say
from evaluation import networks
from evaluation.config import EvaluateConfig
from evaluation.embedder import ClipShape, Modality
from evaluation.features import embed_videos, plan_clips
from evaluation.items import labels_of
from evaluation.protocols.audio import AudioSVM
from evaluation.protocols.base import FoldData, Found, Measured
from evaluation.protocols.frozen import Contender as FrozenContender
from evaluation.protocols.frozen import compared, exported, untrained_here
from evaluation.protocols.linear import LinearProbe, probe, told
from evaluation.who import AGAINST, CLASSICAL, PRETRAINED, SCRATCH

if TYPE_CHECKING:
    from torch import Tensor

    from evaluation.bench import Bench
    from evaluation.finetune.trial import Trial
    from evaluation.per_fold import Exports
    from evaluation.splits import Fold
    from trainer.export import Export

FROZEN = "frozen_linear"
"""The linear probe on the same labels: what is reached without training the encoder."""

_PROBE = LinearProbe()


@dataclass(frozen=True)
class Contender:
    """Who is fine-tuned: the networks of an export (of each fold's, where there are such), with its weights or,
    `scratch`, with random ones.
    """

    name: str
    side: Exports
    shape: ClipShape
    scratch: bool = False


class Finetune:
    """Top-1 and top-5 by clip, and by video with class probabilities averaged over its clips and crops.

    `from_scratch` begins with random weights: the same network, clips, order and number of steps.
    """

    name = "finetune"
    main = "top1_video"
    export_a_fold = True

    def __init__(self, modality: Modality = "video") -> None:
        self.modalities: tuple[Modality, ...] = (modality,)

    def check(self, data: FoldData, config: EvaluateConfig) -> None:
        """The training split must hold two classes."""
        _PROBE.check(data, config.model_copy(update={"labels": None}))

    def check_export(self, export: Export) -> None:
        """Any export with the modality will do."""
        return

    def without_features(self, data: FoldData) -> dict[str, dict[str, float]]:
        """A guess among the training classes, and the most frequent one always."""
        return _PROBE.without_features(data)

    def in_words(self, config: EvaluateConfig) -> str:
        """The protocol as a clause."""
        c = config.finetune
        length = f"{c.steps} steps" if c.steps else f"{c.epochs:g} epochs"
        return (
            f"all weights fine-tuned with a linear head for {length} of {c.batch_size} clips (AdamW, lr {c.lr:g}, "
            f"{c.layer_decay:g} of it a stage further down, cosine), nothing chosen by looking at test items; "
            "from scratch: the same with random weights to begin with, all layers at the full rate; class "
            "probabilities averaged over each video"
        )

    def find(self, bench: Bench) -> Found:
        """Every contender on every fold, and what is reached on frozen features."""
        contenders = _contenders(bench)
        folds = bench.subject.folds
        trials = [{one.name: _trial(bench, one, fold) for one in contenders} for fold in folds]
        found: Found = {one.name: [] for one in contenders}
        # One Ray for all of it; beside the workers there must be room for the tasks that decode.
        with connected(min_cpus=bench.task.config.finetune.workers + 2):
            _train(bench, [trial for of_fold in trials for trial in of_fold.values()])
            for fold, of_fold in zip(folds, trials, strict=True):
                tested = _tested(bench, contenders, fold, of_fold)
                for name, measured in tested.items():
                    found[name].append(measured)
            return found | self._frozen(bench)

    def _frozen(self, bench: Bench) -> Found:
        """What is reached without training an encoder, with the same labels."""
        sound = self.modalities == ("audio",)
        probed = partial(probe, kind="linear_svm" if sound else "logistic")
        own = FrozenContender(FROZEN, exported(bench, FROZEN, bench.task.own), probed)
        classical = AudioSVM().classical() if sound else {CLASSICAL: probed}
        return compared(bench, FROZEN, [own, *untrained_here(bench, classical, probed)])


def _contenders(bench: Bench) -> list[Contender]:
    task = bench.task
    shape = task.clip_shape()
    found = [Contender(PRETRAINED, task.own, shape), Contender(SCRATCH, task.own, shape, scratch=True)]
    return found + [Contender(AGAINST, side, task.clip_shape(export=side.first)) for side in task.sides[1:]]


def _classes(bench: Bench, fold: Fold) -> np.ndarray:
    """The classes of the training side, (C,), in the order of the head's outputs."""
    return np.array(sorted(set(labels_of(bench.subject.videos)[fold.train])), dtype=object)


def _trial(bench: Bench, one: Contender, fold: Fold) -> Trial:
    from evaluation.finetune.examples import training_set
    from evaluation.finetune.trial import Trial, trial_file

    subject, config = bench.subject, bench.task.config
    labels, classes = labels_of(subject.videos), _classes(bench, fold)
    modality, export = one.shape.modality, one.side.of(fold)
    data = training_set(
        subject.videos, labels, fold.train.tolist(), classes.tolist(), subject.row_groups, modality
    )
    begins = {networks.RANDOM_OF: export.architecture()} if one.scratch else {"export": export.digest()}
    examples = [(subject.videos[i].video_id, str(labels[i])) for i in fold.train]
    return Trial(
        who=one.name,
        fold=fold.name,
        seed=fold.seed,
        export=storage.absolute(export.path),
        scratch=one.scratch,
        shape=one.shape,
        classes=classes.size,
        data=data,
        steps=config.finetune.steps_for(data.segments),
        file=trial_file(config.cache, begins, subject.table, one.shape, examples, config.finetune, fold.seed),
    )


def _train(bench: Bench, trials: list[Trial]) -> None:
    """Train what was not trained before."""
    from evaluation.finetune.fit import fit

    config = bench.task.config
    missing = [trial for trial in trials if not trial.done]
    say(f"finetune: {len(missing)} of {len(trials)} trainings to do, {sum(t.steps for t in missing)} steps")
    if missing:
        fit(config.finetune, missing, config.cache, bench.mlflow)


def _tested(
    bench: Bench, contenders: list[Contender], fold: Fold, trials: dict[str, Trial]
) -> dict[str, Measured]:
    """What the fine-tuned networks say of the clips of a fold's test videos; media is read once a shape."""
    from evaluation.finetune.network import export_weights

    subject, config = bench.subject, bench.task.config
    found = {}
    for shape in dict.fromkeys(one.shape for one in contenders):
        alike = [one for one in contenders if one.shape == shape]
        weights = {one.name: trials[one.name].weights() for one in alike}
        tuned = [
            networks.exported(one.name, one.side.of(fold), trials[one.name].export).with_weights(
                export_weights(one.side.of(fold), weights[one.name])
            )
            for one in alike
        ]
        plan = plan_clips(subject.videos, fold.test.tolist(), shape, config.clips)
        seen = embed_videos(plan, subject.row_groups, tuned, shape, config.batch_size, config.workers)
        for one in alike:
            bench.embedded[one.name] = bench.embedded.get(one.name, 0) + seen.owner.size
            scores = _scores(seen.of(one.name), weights[one.name])
            data = subject.fold_data(fold, seen.owner)
            metrics, answers = told(data, scores, seen.owner, _classes(bench, fold))
            found[one.name] = Measured(metrics, {}, [], answers)
        bench.count_short(shape, seen.short_clips)
        bench.clips_used += seen.owner.size if PRETRAINED in weights else 0
    return found


def _scores(features: npt.NDArray[np.float32], tuned: dict[str, Tensor]) -> npt.NDArray[np.float64]:
    """Class probabilities of clips, (N, D) -> (N, C), by the head that was trained with the encoder."""
    from evaluation.finetune.network import HEAD

    weight, bias = (tuned[f"{HEAD}{name}"].double().numpy() for name in ("weight", "bias"))
    return probabilities(features @ weight.T + bias)


def probabilities(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Softmax of each row, (N, C)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
