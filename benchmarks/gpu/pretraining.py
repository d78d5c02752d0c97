"""A real pre-training by the clock, with what it can do before and after."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import nn

from benchmarks.gpu.loader import Loader, heldout_samples
from benchmarks.gpu.machine import cores
from benchmarks.gpu.retrieval import Probe, recalls
from benchmarks.gpu.settings import config
from benchmarks.gpu.work import Work
from chronav.config import validate
from trainer.batch import Batch, collate
from trainer.config import PretrainConfig
from trainer.heldout import heldout_accuracies
from trainer.learner import Learner
from trainer.loop import NoHooks, train
from trainer.objective import run_model, see

_SETTLING_BATCHES = 4
_HELDOUT_BATCH = 64
_SPEED_MARGIN = 0.95  # of the measured speed: what is planned must be done in time
_WARM_UP_SHARE = 0.05
_LEAST_STEPS = 4
_CURVE_POINTS = 40
_LOG_EVERY_S = 4.0
_JUDGING_MARGIN = 1.5  # judging takes so much of the time that it took the first time
_FEW = "few clips: the figures say that learning happens on this machine, not what a representation is worth"


@dataclass
class Judge:
    """Held-out accuracies and retrieval, the same clips each time."""

    heldout: Sequence[Batch]
    probe: Probe
    settings: PretrainConfig
    device: torch.device

    @classmethod
    def build(cls, work: Work, settings: PretrainConfig) -> Judge:
        """Decode everything that is judged by."""
        rate, device = work.shard.sample_rate, work.device
        samples = heldout_samples(work.shard.select(heldout=True), settings, rate)
        batches = [
            collate(samples[i : i + _HELDOUT_BATCH], settings) for i in range(0, len(samples), _HELDOUT_BATCH)
        ]
        probe = Probe(work.shard.rows, settings, rate, work.amounts.embed_clips, device)
        return cls(batches, probe, settings, device)

    def figures(self, learner: Learner) -> dict[str, float | None]:
        """All figures of a learner as it is."""
        accuracies = heldout_accuracies(
            learner.model, learner.log_mel, self.heldout, self.settings, self.device
        )
        found: dict[str, float | None] = {
            f"{head}/{name}": value for head, values in accuracies.items() for name, value in values.items()
        }
        return found | recalls(self.probe.features(learner), self.probe.rows)


class _Clock(NoHooks):
    """Notes when the loop logs."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def log(self, step: int, metrics: dict[str, float]) -> None:
        self.times.append(time.monotonic())


class _Hooks(_Clock):
    """Writes the curve, and stops when time is out."""

    def __init__(self, work: Work, until: float, steps: int) -> None:
        super().__init__()
        self.work, self.until, self.steps = work, until, steps

    def log(self, step: int, metrics: dict[str, float]) -> None:
        shown = {name: value for name, value in metrics.items() if not name.startswith("data/")}
        self.work.findings.point(step, shown)
        self.work.say(f"step {step} of {self.steps}: loss {metrics['loss/total']:.3f}")

    def stop_wanted(self) -> bool:
        return time.monotonic() > self.until


def run(work: Work) -> None:
    """Judge random weights, measure the speed, plan the steps, train, judge again."""
    amounts = work.amounts
    base = config(amounts, {"compile": False, "heldout_draws": amounts.heldout_draws}, amounts.training)
    workers = amounts.loader_workers or cores()
    judge = Judge.build(work, base)
    with Loader(work.shard, base, workers) as loader:
        batches = loader.batches()
        learner = _fresh(work, base)
        settle_norms(learner, islice(batches, _SETTLING_BATCHES), base, work.device)
        begun = time.monotonic()
        work.findings.add({f"before/{name}": value for name, value in judge.figures(learner).items()})
        judging_s = time.monotonic() - begun
        step_s = _calibrate(work, batches, base)
        until = work.deadline - _JUDGING_MARGIN * judging_s
        settings = planned(base, step_s, until - time.monotonic(), amounts.most_steps)
        _describe(work, settings, workers)
        learner = _fresh(work, settings)
        begun = time.monotonic()
        done = _train(work, learner, batches, settings, until)
        seconds = time.monotonic() - begun
    rate = done * settings.batch_size / seconds
    work.findings.add(
        {"steps": done, "train_s": seconds, "samples_per_s": rate, "step_s_when_planned": step_s}
    )
    work.findings.add({f"after/{name}": value for name, value in judge.figures(learner).items()})


def planned(base: PretrainConfig, step_s: float, seconds: float, most_steps: int) -> PretrainConfig:
    """The run whose schedule ends when `seconds` are over, at `step_s` a step."""
    steps = min(most_steps, max(_LEAST_STEPS, int(_SPEED_MARGIN * seconds / step_s)))
    changes = {
        "steps": steps,
        "warmup_steps": max(1, int(_WARM_UP_SHARE * steps)),
        "log_every": max(1, min(steps // _CURVE_POINTS, int(_LOG_EVERY_S / step_s))),
        "heldout_every": steps,
        "checkpoint_every": steps,
    }
    return validate(PretrainConfig, base.model_dump() | changes)


@torch.no_grad()
def settle_norms(
    learner: Learner, batches: Iterable[Sequence[Batch]], settings: PretrainConfig, device: torch.device
) -> None:
    """Give the batch norms of an untrained network the statistics of some clips: the floor need not be lower."""
    norms = [m for m in learner.model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
    learner.model.train()
    for (batch,) in batches:
        moved = batch.to(device)
        run_model(learner.model, see(learner.log_mel, moved, settings), moved, settings)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum


def _fresh(work: Work, settings: PretrainConfig) -> Learner:
    epoch = len(work.shard.select(heldout=False)) * settings.samples_per_row
    return Learner.build(settings, work.shard.sample_rate, epoch, work.device)


def _calibrate(work: Work, batches: Iterator[list[Batch]], base: PretrainConfig) -> float:
    """Seconds a step of the real loop, decoding included, on a learner that is thrown away.

    Of the second half: the first has batches that were decoded ahead, and the device's first calls.
    """
    count = work.amounts.calibration_steps
    settings = base.model_copy(update={"steps": 2 * count, "log_every": count})
    clock = _Clock()
    train(_fresh(work, settings), batches, settings, work.device, 0, clock)
    half, whole = clock.times
    return (whole - half) / count


def _describe(work: Work, settings: PretrainConfig, workers: int) -> None:
    rows = work.shard.rows
    heldout = {row.stored.video_id for row in rows if row.heldout}
    work.findings.set(
        recipe=work.amounts.recipe,
        config=settings.model_dump(mode="json"),
        loader_processes=workers,
        videos=len({row.stored.video_id for row in rows}),
        heldout_videos=len(heldout),
    )
    work.findings.note(_FEW)


def _train(
    work: Work, learner: Learner, batches: Iterator[list[Batch]], settings: PretrainConfig, until: float
) -> int:
    """The trainer's own loop; the steps that were done."""
    done = train(learner, batches, settings, work.device, 0, _Hooks(work, until, settings.steps))
    if done < settings.steps:
        work.findings.note(
            f"the clock ended the training at step {done} of {settings.steps}: slower than when planned"
        )
    return done
