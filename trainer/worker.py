"""What each Ray Train worker does: build, restore, train, and tell."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import torch

from chronav import storage
from chronav.allocator import keep_freed_memory
from chronav.errors import JobError
from chronav.tracking import Run
from trainer import checkpoint
from trainer.board import StopListener
from trainer.config import PretrainConfig
from trainer.dist import agreed, rank
from trainer.export import ExportConfig, write_export
from trainer.heldout import heldout_accuracies
from trainer.input import heldout_batches, train_batches
from trainer.learner import Learner
from trainer.loop import train
from trainer.prefetch import ahead, pinned
from trainer.tables import TrainingData
from trainer.watch.watch import Watch, Watched

# Steps between looks for nodes that are about to be taken away; each look is a round of messages.
_LOOK_EVERY = 10


@dataclass(frozen=True)
class WorkerJob:
    """All that a worker needs to know."""

    config: PretrainConfig
    data: TrainingData
    out: str  # the run's folder: checkpoints and export
    export: ExportConfig
    start_from: str | None  # a checkpoint folder to begin with, where Ray Train has none of its own
    data_id: tuple[str, ...]  # tables with versions and weights, and what was kept out of them
    mlflow_uri: str
    mlflow_run_id: str
    board: Any
    watched: Watched


def train_worker(loop_config: dict[str, Any]) -> None:
    """The function that Ray Train runs on every worker."""
    import ray.train
    import ray.train.torch

    job: WorkerJob = loop_config["job"]
    config = job.config
    torch.set_num_threads(config.threads or max(1, (os.cpu_count() or 1) // config.workers))
    # Zero-initialised heads make the first gradients, and Adam's squares of them, denormal: CPUs crawl on those.
    torch.set_flush_denormal(True)
    keep_freed_memory()
    device = ray.train.torch.get_device()
    sound = job.data.sample_rate
    plan = job.data.plan(config)
    learner = Learner.build(config, sound, plan.epoch_samples, device)
    restored = _restore(job, learner)
    first_step = restored.step if restored else 0
    hooks = WorkerHooks(job, learner, device, restored)
    batches = train_batches(plan, config, sound, rank(), first_step)
    batches = ahead(pinned(batches) if device.type == "cuda" else batches)
    try:
        with hooks.watch:
            reached = train(learner, batches, config, device, first_step, hooks)
    except JobError as error:
        if error.code != "not_finite":
            raise
        # All workers found the same and end in good order: Ray would start anew what fails again.
        hooks.finish({"error": error.as_dict()})
        return
    if reached < config.steps:
        hooks.finish({"stopped_at": reached})
    else:
        hooks.close()


def _restore(job: WorkerJob, learner: Learner) -> checkpoint.Progress | None:
    """Put the latest state back, if there is one; where it stood.

    After a lost worker that is Ray Train's; after a lost driver it may be one that Ray had not yet noted. The one
    that a resumed run began from may have made way for newer ones in the meantime.
    """
    import ray.train

    own = ray.train.get_checkpoint()
    known = [job.start_from] if job.start_from else []
    if own is not None:
        known.append(storage.join(job.out, PurePosixPath(own.path).name))
    newest = checkpoint.newest(known)
    if newest is None and known:
        raise JobError(f"there is no checkpoint any more in {', '.join(known)}", code="missing_checkpoint")
    return checkpoint.load(newest, learner) if newest else None


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
        self.listener = StopListener(job.board) if rank() == 0 else None
        self.preempted = False
        self.watch = Watch(job, learner, device, self.run, self.first_step)

    def stepped(self, step: int) -> None:
        """Probes and the profiler."""
        self.watch.stepped(step)

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """To MLflow and to the driver's progress bar."""
        self.losses = {k.removeprefix("loss/"): v for k, v in metrics.items() if k.startswith("loss/")}
        if self.run is None:
            return
        self.run.metrics(metrics | self.watch.resources(), step)
        rate = metrics["throughput/samples_per_s"]
        self.job.board.post.remote(step, f"loss {metrics['loss/total']:.3f}, {rate:.0f} samples/s")

    def measure(self, step: int) -> None:
        """Held-out accuracies and what is watched beside them; workers share the videos."""
        config, data = self.job.config, self.job.data
        batches = heldout_batches(data.heldout, config, data.sample_rate, rank())
        seen = self.watch.observer()
        self.accuracies = heldout_accuracies(
            self.learner.model, self.learner.log_mel, batches, config, self.device, seen.add
        )
        self.watch.report(step, seen)
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

    def save_wanted(self, step: int) -> bool:
        """Whether a node is about to be taken away: saved once before, and training goes on until it is."""
        import ray.train

        if step % _LOOK_EVERY or self.preempted:
            return False
        self.preempted = ray.train.get_preemption_info() is not None
        return self.preempted

    def stop_wanted(self) -> bool:
        """Whether the driver has asked to save and to stop; the same on every worker."""
        return agreed(self.listener is not None and self.listener.asked, self.device)

    def save(self, step: int) -> None:
        """A checkpoint, written by rank 0 while training goes on; `report` is a barrier for all workers."""
        import ray.train
        from ray.train import Checkpoint, CheckpointUploadMode

        metrics, name = {"step": step}, checkpoint.name_of(step)
        if rank() != 0:
            ray.train.report(metrics, checkpoint_dir_name=name)
            return
        progress = checkpoint.Progress(
            step=step,
            config_digest=checkpoint.digest(self.job.config),
            config=checkpoint.fixed(self.job.config),
            data=self.job.data_id,
            losses=self.losses,
            mlflow_run_id=self.job.mlflow_run_id,
            versions={source.path: source.version for source in self.job.data.sources},
        )
        state = checkpoint.snapshot(self.learner)

        def write(target: Checkpoint, _: str) -> Checkpoint:
            checkpoint.write(storage.join(self.job.out, name), state, progress)
            return target

        ray.train.report(
            metrics,
            checkpoint=Checkpoint(storage.join(self.job.out, name)),
            checkpoint_dir_name=name,
            checkpoint_upload_mode=CheckpointUploadMode.ASYNC,
            checkpoint_upload_fn=write,
            delete_local_checkpoint_after_upload=False,
        )

    def close(self) -> None:
        """The export and the outcome."""
        if not self.accuracies:  # resumed after the last step: nothing was trained, so nothing was measured
            self.measure(self.first_step)
        if self.run is not None:
            write_export(
                storage.join(self.job.out, "export"),
                self.learner.exported(),
                self.job.export,
                self.job.data.seen_videos(),
                joint=self.job.config.loss.va > 0,
            )
        self.finish({"losses": self.losses, "accuracies": self.accuracies, "probe": self.watch.probed})

    def finish(self, outcome: dict[str, Any]) -> None:
        """Leave what the run came to on the board."""
        import ray

        if self.listener is not None:
            self.listener.close()
            ray.get(self.job.board.finish.remote({"resumed_from_step": self.first_step, **outcome}))
