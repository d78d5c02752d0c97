"""The training loop: plain torch, no Ray."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import nn

from chronav.errors import JobError
from trainer.batch import Batch
from trainer.config import PretrainConfig
from trainer.learner import Learner
from trainer.losses.term import Term
from trainer.objective import all_terms, run_model, total
from trainer.optimiser import learning_rate


class Hooks(Protocol):
    """What happens around the steps; called on every worker."""

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """Every `log_every` steps, with the means since the last call."""

    def measure(self, step: int) -> None:
        """Every `heldout_every` steps and after the last."""

    def save(self, step: int) -> None:
        """Every `checkpoint_every` steps and after the last."""


@dataclass
class Meter:
    """Means of the logged values between two log lines, kept on the device until they are asked for."""

    sums: dict[str, torch.Tensor] = field(default_factory=dict)
    counts: dict[str, torch.Tensor] = field(default_factory=dict)
    waited: float = 0.0
    since: float = field(default_factory=time.monotonic)
    steps: int = 0

    def add(self, name: str, value: torch.Tensor, weight: torch.Tensor) -> None:
        """Add a value of a step; terms that counted nothing (weight 0) do not enter the mean."""
        self.sums[name] = self.sums.get(name, torch.zeros_like(value)) + value.detach() * weight
        self.counts[name] = self.counts.get(name, torch.zeros_like(weight)) + weight

    def read(self, batch_size: int) -> dict[str, float]:
        """All means, throughput (samples/s) and the share of time spent waiting for data; then start afresh."""
        elapsed = time.monotonic() - self.since
        values = {n: float(self.sums[n] / c) for n, c in self.counts.items() if float(c) > 0}
        values["throughput/samples_per_s"] = self.steps * batch_size / max(elapsed, 1e-9)
        values["throughput/data_wait_share"] = self.waited / max(elapsed, 1e-9)
        self.__init__()  # type: ignore[misc]
        return values


def train(
    learner: Learner,
    batches: Iterator[Batch],
    config: PretrainConfig,
    device: torch.device,
    first_step: int,
    hooks: Hooks,
) -> None:
    """Steps first_step .. config.steps - 1.

    Raises `JobError` where a loss is not finite, naming the step, the term and the clips.
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
        terms, loss, norm = optimise(learner, batch.to(device), config, step)
        record(meter, terms, loss, norm)
        done = step + 1
        final = done == config.steps
        if done % config.log_every == 0 or final:
            hooks.log(done, meter.read(config.batch_size) | {"lr": rate})
        if done % config.heldout_every == 0 or final:
            hooks.measure(done)
        if done % config.checkpoint_every == 0 or final:
            hooks.save(done)


def optimise(
    learner: Learner, batch: Batch, config: PretrainConfig, step: int
) -> tuple[dict[str, Term], torch.Tensor, torch.Tensor]:
    """One step: all terms, the total, and the gradient's norm before clipping."""
    forward = run_model(learner.wrapped, learner.log_mel, batch, config)
    terms = all_terms(forward, batch, learner.contrast)
    loss = total(terms, config.loss) + forward.out.anchor
    if not bool(torch.isfinite(loss)):
        broken = [name for name, term in terms.items() if not bool(torch.isfinite(term.value))]
        raise JobError(
            f"loss is not finite at step {step}: {', '.join(broken) or 'total'}; "
            f"clips {', '.join(batch.clip_ids[:8])}",
            code="not_finite",
        )
    learner.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(learner.model.parameters(), config.grad_clip)
    learner.optimiser.step()
    learner.contrast.follow(learner.model, step)
    return terms, loss, norm


def record(meter: Meter, terms: dict[str, Term], loss: torch.Tensor, norm: torch.Tensor) -> None:
    """Note one step's values under the names that MLflow shows."""
    one = torch.ones((), device=loss.device)
    meter.steps += 1
    meter.add("loss/total", loss, one)
    meter.add("gradient_norm", norm, one)
    for name, term in terms.items():
        meter.add(f"loss/{name}", term.value, term.count)
        if term.accuracy is not None:
            meter.add(f"train_accuracy/{name}", term.accuracy, term.count)
