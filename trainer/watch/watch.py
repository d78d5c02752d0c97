"""All that is watched on one worker, behind a few calls from the worker's hooks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import TYPE_CHECKING

import torch

from chronav.tracking import Run
from trainer.dist import gather_objects
from trainer.learner import Learner
from trainer.watch import similarity
from trainer.watch.collect import Collected
from trainer.watch.labels import Labels, read_labels
from trainer.watch.memory import memory
from trainer.watch.probe import Prober
from trainer.watch.probe_table import Probe
from trainer.watch.profile import StepProfiler
from trainer.watch.statistics import Statistics, statistics
from trainer.watch.system import SystemMetrics

if TYPE_CHECKING:
    from trainer.worker import WorkerJob


@dataclass(frozen=True)
class Watched:
    """What the call asks for beyond what is always watched."""

    probe: Probe | None = None
    profile_to: str | None = None  # folder


class Watch:
    """Measures, logs (rank 0, which has the `run`), and warns. Used as a context around the training loop.

    Nothing in here changes what is learnt: networks are run in evaluation mode without gradients, and no random
    number is drawn from torch's or numpy's global state.
    """

    def __init__(
        self, job: WorkerJob, learner: Learner, device: torch.device, run: Run | None, first_step: int
    ) -> None:
        self._job, self._learner, self._device, self._run = job, learner, device, run
        self._first_step = first_step
        self._warned: set[str] = set()
        self._epoch_samples = job.data.plan(job.config).epoch_samples
        self.probed: dict[str, dict[str, float | int]] = {}  # the latest, for the outcome
        asked, steps = job.watched, job.config.steps - first_step
        self._prober = None
        if asked.probe is not None and job.config.probe_every:
            self._prober = Prober(asked.probe, learner, job.config, job.data.sample_rate, device)
        self._system = SystemMetrics(run) if run is not None else None
        self._profiler = None
        if asked.profile_to is not None and run is not None:
            self._profiler = StepProfiler(asked.profile_to, run, device, steps)

    def __enter__(self) -> Watch:
        if self._first_step == 0:
            self._probe(0)  # random weights: what the features are worth before any step
        if self._system is not None:
            self._system.start()
        if self._profiler is not None:
            self._profiler.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._profiler is not None:
            self._profiler.stop()
        if self._system is not None:
            self._system.stop()

    def stepped(self, step: int) -> None:
        """After every step, on every worker."""
        if self._profiler is not None:
            self._profiler.step()
        config = self._job.config
        between = self._epoch_samples * config.probe_every
        if self._prober is not None and probe_due(step, config.steps, config.batch_size, between):
            self._probe(step)

    def resources(self) -> dict[str, float]:
        """Of this process, since the last call."""
        return memory(self._device)

    def observer(self) -> Collected:
        """What a held-out measurement shows its batches to."""
        return Collected(self._learner.contrast, self._job.config)

    def report(self, step: int, collected: Collected) -> None:
        """Log what a held-out measurement came to, over all workers, and warn of a collapse."""
        contrast = self._learner.contrast
        labels = self._labels if contrast.banks else None
        own = statistics(collected, contrast, labels, self._job.config)
        found: Statistics = reduce(add, gather_objects(own))
        if self._run is None:
            return
        self._run.metrics(found.metrics(), step)
        self._run.table("watch/similarity.json", similarity.table(step, found.similarity))
        self._warn(step, found)

    @cached_property
    def _labels(self) -> Labels:
        return read_labels((source.path, source.version) for source in self._job.data.sources)

    def _warn(self, step: int, found: Statistics) -> None:
        assert self._run is not None
        config = self._job.config
        if step <= config.warmup_steps:
            return  # untrained networks are flat, and their norms have yet to settle
        threshold = config.rank_alarm
        collapses = found.collapses(threshold)
        new = sorted(collapses.keys() - self._warned)
        self._warned = set(collapses)  # one that has recovered may be warned of again
        if new:
            ranks = ", ".join(f"{name} {collapses[name]:.2f}" for name in new)
            text = f"collapse at step {step}: effective rank of projection {ranks}, below {threshold:g}"
            self._run.tags({"chronav.alarm": text})
            self._job.board.warn.remote(f"pretrain: {text}")

    def _probe(self, step: int) -> None:
        if self._prober is None:
            return
        self.probed = self._prober.measure()
        if self._run is not None:
            named = {"value": "", "chance": "_chance", "n": "_n"}
            values = {
                f"probe/{name}{suffix}": float(score[key])
                for name, score in self.probed.items()
                for key, suffix in named.items()
            }
            self._run.metrics(values, step)


def probe_due(step: int, steps: int, batch_size: int, between: int) -> bool:
    """Whether a step is the last, or ends one more stretch of `between` samples."""
    return step == steps or step * batch_size // between > (step - 1) * batch_size // between
