"""The training loop: plain torch, no Ray."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch

from trainer.batch import DIGEST_RANGE, Batch
from trainer.config import PretrainConfig
from trainer.dist import all_sum
from trainer.learner import Learner
from trainer.optimiser import learning_rate
from trainer.step import Stepped, optimise


class Hooks(Protocol):
    """What happens around the steps; called on every worker."""

    def stepped(self, step: int) -> None:
        """After every step."""

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """Every `log_every` steps, with the means since the last call."""

    def measure(self, step: int) -> None:
        """Every `heldout_every` steps and after the last."""

    def save(self, step: int) -> None:
        """Every `checkpoint_every` steps, after the last, before a stop, and where it is wanted."""

    def save_wanted(self, step: int) -> bool:
        """Whether to save after this step whatever its number; the same answer on every worker."""

    def stop_wanted(self) -> bool:
        """Whether to save and to stop; the same answer on every worker."""


class NoHooks:
    """Nothing happens around the steps."""

    def stepped(self, step: int) -> None:
        """Nothing."""

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """Nothing."""

    def measure(self, step: int) -> None:
        """Nothing."""

    def save(self, step: int) -> None:
        """Nothing."""

    def save_wanted(self, step: int) -> bool:
        """Never."""
        return False

    def stop_wanted(self) -> bool:
        """Never."""
        return False


@dataclass
class Meter:
    """Means of the logged values between two log lines."""

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    waited: float = 0.0
    since: float = field(default_factory=time.monotonic)
    steps: int = 0
    samples: int = 0  # sum of the digests of the samples seen

    def add(self, name: str, value: float, weight: float) -> None:
        """Add a value of a step; terms that counted nothing (weight 0) do not enter the mean."""
        self.sums[name] = self.sums.get(name, 0.0) + value * weight
        self.counts[name] = self.counts.get(name, 0.0) + weight

    def read(self, batch_size: int, device: torch.device) -> dict[str, float]:
        """All means, throughput a second, the share of time spent waiting for data, and what names the samples that
        all workers have seen. A collective.
        """
        elapsed = time.monotonic() - self.since
        values = {n: self.sums[n] / count for n, count in self.counts.items() if count > 0}
        values["throughput/samples_per_s"] = self.steps * batch_size / max(elapsed, 1e-9)
        # Every clip is asked for its direction: what that loss counted is the clips of the global batches.
        for modality, head in (("video", "direction_v"), ("audio", "direction_a")):
            clips = self.counts.get(f"loss/{head}", 0.0)
            values[f"throughput/{modality}_clips_per_s"] = clips / max(elapsed, 1e-9)
        values["throughput/data_wait_share"] = self.waited / max(elapsed, 1e-9)
        seen = all_sum(torch.tensor(self.samples, dtype=torch.int64, device=device))
        values["data/samples_digest"] = float(int(seen) % DIGEST_RANGE)
        return values


def train(
    learner: Learner,
    batches: Iterator[Sequence[Batch]],
    config: PretrainConfig,
    device: torch.device,
    first_step: int,
    hooks: Hooks,
) -> int:
    """Steps first_step .. config.steps - 1, or fewer where a stop is wanted; returns how many are done.

    Each item of `batches` is this worker's part of a step, in micro-batches. Raises `JobError` where a loss is not
    finite, naming the step, the term and the clips.
    """
    learner.model.train()
    meter = Meter()
    for step in range(first_step, config.steps):
        asked = time.monotonic()
        batch = next(batches)
        meter.waited += time.monotonic() - asked
        rate = learning_rate(step, config)
        for group in learner.optimiser.param_groups:
            group["lr"] = rate
        meter.samples += sum(part.digest() for part in batch)
        record(meter, optimise(learner, [part.to(device) for part in batch], config, step))
        done = step + 1
        hooks.stepped(done)
        final = done == config.steps
        if done % config.log_every == 0 or final:
            hooks.log(done, meter.read(config.batch_size, device) | {"lr": rate})
            meter = Meter()
        if done % config.heldout_every == 0 or final:
            hooks.measure(done)
        stop = not final and hooks.stop_wanted()
        due = done % config.checkpoint_every == 0 or final or stop
        if due or hooks.save_wanted(done):
            hooks.save(done)
        if stop:
            return done
    return config.steps


def record(meter: Meter, stepped: Stepped) -> None:
    """Note one step's values under the names that MLflow shows."""
    meter.steps += 1
    meter.add("loss/total", stepped.loss, 1.0)
    meter.add("gradient_norm", stepped.gradient_norm, 1.0)
    for name, term in stepped.terms.items():
        count = float(term.count)
        meter.add(f"loss/{name}", float(term.mean), count)
        if term.accuracy is not None:
            meter.add(f"train_accuracy/{name}", float(term.accuracy), count)
