"""What each Ray Train worker does: train what is still to be trained, one after the other."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch

from chronav import load_export, storage
from chronav.allocator import keep_freed_memory
from chronav.errors import JobError
from chronav.tracking import Run
from evaluation.finetune.config import FinetuneConfig
from evaluation.finetune.examples import Cutter, labelled_batches
from evaluation.finetune.network import build_classifier, tuned_weights
from evaluation.finetune.train import Tuner, tune
from evaluation.finetune.trial import Trial
from trainer.board import StopListener
from trainer.dist import agreed, rank, world_size
from trainer.prefetch import ahead
from trainer.sound import LogMel


@dataclass(frozen=True)
class TuneJob:
    """All that a worker needs to know; `mlflow`: tracking URI and run id, where curves are wanted."""

    config: FinetuneConfig
    trials: list[Trial]
    board: Any
    mlflow: tuple[str, str] | None = None

    @property
    def steps(self) -> int:
        """Of all trials together."""
        return sum(trial.steps for trial in self.trials)


def tune_worker(loop_config: dict[str, Any]) -> None:
    """The function that Ray Train runs on every worker."""
    import ray
    import ray.train.torch

    job: TuneJob = loop_config["job"]
    config = job.config
    torch.set_num_threads(config.threads or max(1, (os.cpu_count() or 1) // config.workers))
    keep_freed_memory()
    torch.set_flush_denormal(True)  # gradients behind a head of zeros are denormal: CPUs crawl on those
    device = ray.train.torch.get_device()
    listener = StopListener(job.board) if rank() == 0 else None
    outcome: dict[str, Any] = {}
    # Asked before any of them is begun, so that all workers have the same answer, after a restart too.
    waiting = [trial.done for trial in job.trials]
    before = 0
    for trial, done in zip(job.trials, waiting, strict=True):
        try:
            whole = done or _train(job, trial, before, device, listener)
        except JobError as error:
            # All workers found the same and end in good order: Ray would start anew what fails again.
            outcome = {"error": error.as_dict()}
            break
        if not whole:
            outcome = {"stopped": trial.name}
            break
        before += trial.steps
    if listener is not None:
        listener.close()
        ray.get(job.board.finish.remote(outcome))


def _train(
    job: TuneJob, trial: Trial, before: int, device: torch.device, listener: StopListener | None
) -> bool:
    """Train one to the end, and leave its weights; False where it was stopped, with its state saved."""
    config, export = job.config, load_export(trial.export)
    torch.manual_seed(trial.seed)
    exchange = device.type == "cuda" and world_size() > 1
    model = build_classifier(
        export, trial.shape.modality, trial.classes, config.dropout, trial.seed, trial.scratch, exchange
    )
    log_mel = (
        LogMel(export.config.audio, export.config.sample_rate) if trial.shape.modality == "audio" else None
    )
    decay = 1.0 if trial.scratch else config.layer_decay
    tuner = Tuner.build(model, config, decay, log_mel, export.config.size, device)
    first = 0
    if storage.is_file(trial.checkpoint):
        first = tuner.restore(storage.read_bytes(trial.checkpoint))
    cutter = Cutter(trial.data.classes, trial.shape, config, trial.seed)
    batches = labelled_batches(trial.data.plan(config, trial.seed), cutter, rank(), first, trial.steps)
    hooks = _Hooks(job, trial, tuner, before, listener)
    reached = tune(tuner, ahead(batches), config, trial.seed, first, trial.steps, hooks)
    if reached < trial.steps:
        return False
    if rank() == 0:
        trial.finish(tuned_weights(tuner.model, trial.shape.modality))
    return True


class _Hooks:
    """Curves and progress by rank 0, checkpoints by rank 0, stops by all."""

    def __init__(
        self, job: TuneJob, trial: Trial, tuner: Tuner, before: int, listener: StopListener | None
    ) -> None:
        self.job, self.trial, self.tuner = job, trial, tuner
        self.before, self.listener = before, listener
        self.run = Run(*job.mlflow) if job.mlflow and rank() == 0 else None

    def log(self, step: int, values: dict[str, float]) -> None:
        """To MLflow and to the driver's progress bar."""
        if self.run is not None:
            self.run.metrics({f"finetune/{self.trial.name}/{k}": v for k, v in values.items()}, step)
        if rank() == 0:
            note = f"{self.trial.name} loss {values['loss']:.3f}, {values['clips_per_s']:.0f} clips/s"
            self.job.board.post.remote(self.before + step, note)

    def save(self, step: int) -> None:
        """The whole state, whole or not at all."""
        if rank() == 0:
            storage.write_bytes(self.trial.checkpoint, self.tuner.state(step))

    def stop_wanted(self) -> bool:
        """Whether the driver has asked to save and to stop."""
        return agreed(self.listener is not None and self.listener.asked, self.tuner.device)
