"""What each Ray Train worker does: build, restore, train, and tell."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from chronav.tracking import Run
from trainer import checkpoint
from trainer.config import PretrainConfig
from trainer.dist import rank
from trainer.export import ExportConfig, write_export
from trainer.heldout import heldout_accuracies
from trainer.input import heldout_batches, train_batches
from trainer.learner import Learner
from trainer.loop import train
from trainer.tables import TrainingData


@dataclass(frozen=True)
class WorkerJob:
    """All that a worker needs to know."""

    config: PretrainConfig
    data: TrainingData
    export_path: str
    export: ExportConfig
    start_from: str | None  # a checkpoint folder to begin with, where Ray Train has none of its own
    data_id: tuple[str, ...]  # tables with versions and weights, and what was kept out of them
    mlflow_uri: str
    mlflow_run_id: str
    board: Any


def train_worker(loop_config: dict[str, Any]) -> None:
    """The function that Ray Train runs on every worker."""
    import ray.train
    import ray.train.torch

    job: WorkerJob = loop_config["job"]
    config = job.config
    torch.set_num_threads(config.threads or max(1, (os.cpu_count() or 1) // config.workers))
    # Zero-initialised heads make the first gradients, and Adam's squares of them, denormal: CPUs crawl on those.
    torch.set_flush_denormal(True)
    device = ray.train.torch.get_device()
    sound = job.data.sample_rate
    plan = job.data.plan(config)
    learner = Learner.build(config, sound, plan.epoch_samples, device)
    restored = _restore(job, learner, device)
    first_step = restored.step if restored else 0
    hooks = WorkerHooks(job, learner, device, restored)
    batches = train_batches(plan, config, sound, rank(), first_step)
    train(learner, batches, config, device, first_step, hooks)
    hooks.close()


def _restore(job: WorkerJob, learner: Learner, device: torch.device) -> checkpoint.Progress | None:
    """Put the latest state back, if there is one; where it stood."""
    import ray.train

    own = ray.train.get_checkpoint()
    if own is not None:
        with own.as_directory() as folder:
            return checkpoint.load(Path(folder), learner, device)
    if job.start_from is not None:
        given = ray.train.Checkpoint(job.start_from)
        with given.as_directory() as folder:
            return checkpoint.load(Path(folder), learner, device)
    return None


class WorkerHooks:
    """Logging by rank 0, held-out measurements by all, checkpoints through Ray Train."""

    def __init__(
        self,
        job: WorkerJob,
        learner: Learner,
        device: torch.device,
        restored: checkpoint.Progress | None,
    ) -> None:
        self.job, self.learner, self.device = job, learner, device
        self.first_step = restored.step if restored else 0
        self.losses: dict[str, float] = dict(restored.losses) if restored else {}
        self.accuracies: dict[str, dict[str, Any]] = {}
        self.run = Run(job.mlflow_uri, job.mlflow_run_id) if rank() == 0 else None

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """To MLflow and to the driver's progress bar."""
        self.losses = {k.removeprefix("loss/"): v for k, v in metrics.items() if k.startswith("loss/")}
        if self.run is None:
            return
        self.run.metrics(metrics, step)
        rate = metrics["throughput/samples_per_s"]
        self.job.board.post.remote(step, f"loss {metrics['loss/total']:.3f}, {rate:.0f} samples/s")

    def measure(self, step: int) -> None:
        """Held-out accuracies; workers share the videos."""
        config, data = self.job.config, self.job.data
        batches = heldout_batches(data.heldout, config, data.sample_rate, rank())
        self.accuracies = heldout_accuracies(
            self.learner.model, self.learner.log_mel, batches, config, self.device
        )
        if self.run is None:
            return
        flat = {
            f"heldout/{head}{suffix}": value
            for head, a in self.accuracies.items()
            for suffix, value in (
                ("", a["value"]),
                ("_chance", a["chance"]),
                ("_low", a["low"]),
                ("_high", a["high"]),
                ("_duration_baseline", a.get("duration_baseline")),
            )
            if value is not None
        }
        self.run.metrics(flat, step)

    def save(self, step: int) -> None:
        """A checkpoint, written by rank 0; `report` is a barrier for all workers."""
        import ray.train

        metrics = {"step": step}
        if rank() != 0:
            ray.train.report(metrics)
            return
        progress = checkpoint.Progress(
            step=step,
            config_digest=checkpoint.digest(self.job.config),
            data=self.job.data_id,
            losses=self.losses,
            mlflow_run_id=self.job.mlflow_run_id,
        )
        with tempfile.TemporaryDirectory() as folder:
            checkpoint.save(Path(folder), self.learner, progress)
            ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(folder))

    def close(self) -> None:
        """The export and the outcome."""
        import ray

        if not self.accuracies:  # resumed after the last step: nothing was trained, so nothing was measured
            self.measure(self.first_step)
        if self.run is None:
            return
        seen = self.job.data.seen_videos()
        write_export(self.job.export_path, self.learner.model, self.job.export, seen)
        outcome = {
            "resumed_from_step": self.first_step,
            "losses": self.losses,
            "accuracies": self.accuracies,
        }
        ray.get(self.job.board.finish.remote(outcome))
