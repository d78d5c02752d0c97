"""The training of a classifier: plain torch, no Ray."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from chronav.errors import JobError
from evaluation.finetune.config import FinetuneConfig
from evaluation.finetune.examples import LabelledBatch
from evaluation.finetune.layers import parameter_groups, rate_share
from evaluation.finetune.network import Classifier
from trainer.dist import all_sum, rank, world_size
from trainer.sound import LogMel


class Hooks(Protocol):
    """What happens around the steps; called on every worker."""

    def log(self, step: int, values: dict[str, float]) -> None:
        """Every `log_every` steps and after the last, with the means since the last call."""

    def save(self, step: int) -> None:
        """Every `checkpoint_every` steps, and before a stop."""

    def stop_wanted(self) -> bool:
        """Whether to save and to stop; the same answer on every worker."""


@dataclass
class Tuner:
    """All that training changes. `wrapped` is the classifier with gradients averaged over the workers."""

    model: Classifier
    wrapped: nn.Module
    optimiser: torch.optim.Optimizer
    log_mel: LogMel | None
    size: int  # of pictures, pixels
    device: torch.device

    @classmethod
    def build(
        cls,
        model: Classifier,
        config: FinetuneConfig,
        decay: float,
        log_mel: LogMel | None,
        size: int,
        device: torch.device,
    ) -> Tuner:
        """Onto the device. `decay`: learning rate of a stage relative to the one above it."""
        model = model.to(device)
        wrapped = nn.parallel.DistributedDataParallel(model) if world_size() > 1 else model
        groups = parameter_groups(model.encoder, model.head, config, decay)
        mel = None if log_mel is None else log_mel.to(device)
        return cls(model, wrapped, torch.optim.AdamW(groups), mel, size, device)

    def state(self, step: int) -> bytes:
        """Everything that a run needs to go on after `step` steps."""
        parts = {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict(), "step": step}
        buffer = io.BytesIO()
        torch.save(parts, buffer)
        return buffer.getvalue()

    def restore(self, state: bytes) -> int:
        """Put a state back; how many steps it had done."""
        parts: dict[str, Any] = torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)
        self.model.load_state_dict(parts["model"])
        self.optimiser.load_state_dict(parts["optimiser"])
        return int(parts["step"])


def tune(
    tuner: Tuner,
    batches: Iterator[LabelledBatch],
    config: FinetuneConfig,
    seed: int,
    first_step: int,
    steps: int,
    hooks: Hooks,
) -> int:
    """Steps first_step .. steps - 1, or fewer where a stop is wanted; returns how many are done.

    Raises `JobError`, on every worker alike, where a loss or a gradient is not finite.
    """
    tuner.model.train()
    sums, since, logged = torch.zeros(2), time.monotonic(), first_step
    for step in range(first_step, steps):
        share = rate_share(step, steps, config.warmup)
        for group in tuner.optimiser.param_groups:
            group["lr"] = group["peak"] * share
        sums += one_step(tuner, next(batches), config, seed, step)
        done = step + 1
        if done % config.log_every == 0 or done == steps:
            n = done - logged
            rate = n * config.batch_size / max(time.monotonic() - since, 1e-9)
            loss, accuracy = (sums / n).tolist()
            values = {"loss": loss, "train_accuracy": accuracy, "lr": config.lr * share, "clips_per_s": rate}
            hooks.log(done, values)
            sums, since, logged = torch.zeros(2), time.monotonic(), done
        stop = done < steps and hooks.stop_wanted()
        if stop or (done % config.checkpoint_every == 0 and done < steps):
            hooks.save(done)
        if stop:
            return done
    return steps


def one_step(tuner: Tuner, batch: LabelledBatch, config: FinetuneConfig, seed: int, step: int) -> Tensor:
    """One optimiser step; loss and accuracy of the global batch, (2,) on the CPU."""
    # Dropout: a resumed run hides what an undisturbed one would.
    torch.manual_seed(np.random.SeedSequence((seed, step, rank())).generate_state(1, np.uint64).item())
    clips, labels = batch.see(tuner.size, tuner.log_mel, tuner.device)
    with torch.autocast(tuner.device.type, dtype=torch.bfloat16, enabled=config.precision == "bf16"):
        logits = tuner.wrapped(clips)
    logits = logits.float()
    loss = nn.functional.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
    tuner.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(tuner.model.parameters(), config.grad_clip)
    hits = (logits.argmax(dim=1) == labels).float().mean()
    # Workers have equal parts of a batch: the mean of their means is that of the batch.
    told = (all_sum(torch.stack([loss.detach(), hits, norm.detach()])) / world_size()).cpu()
    if not bool(torch.isfinite(told).all()):
        raise JobError(f"fine-tuning: loss or gradient is not finite at step {step}", code="not_finite")
    tuner.optimiser.step()
    return told[:2]
