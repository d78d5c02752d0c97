"""Runs Ray Train on the connected Ray, and turns what comes of it into an outcome or an error."""

from __future__ import annotations

import signal
from typing import Any

from chronav import storage
from chronav.errors import JobError, Stopped
from chronav.progress import say
from chronav.signals import in_thread, stop_request
from trainer.board import Watcher
from trainer.failure import failure_of
from trainer.preflight import cluster_gpus
from trainer.worker import WorkerJob, train_worker


def fit(job: WorkerJob) -> dict[str, Any]:
    """What rank 0 left on the board.

    Ctrl-C and SIGTERM make the workers save at the end of the step that they are in, and raise `Stopped`. Raises
    `JobError` where training failed.
    """
    import ray
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    config, out, board = job.config, job.out, job.board
    trainer = TorchTrainer(
        train_worker,
        train_loop_config={"job": job},
        scaling_config=ScalingConfig(num_workers=config.workers, use_gpu=cluster_gpus() >= config.workers),
        run_config=RunConfig(
            name=out.rpartition("/")[2],
            storage_path=storage.parent(out),
            checkpoint_config=CheckpointConfig(num_to_keep=config.keep_checkpoints),
            failure_config=FailureConfig(max_failures=config.max_failures),
        ),
    )

    def ask_to_stop() -> None:
        say("pretrain: stopping after this step; once more to stop at once")
        board.ask_to_stop.remote()

    with Watcher(board, config.steps), stop_request(ask_to_stop) as request:
        try:
            # Ray takes Ctrl-C for itself where it runs in the main thread.
            in_thread(trainer.fit)
        except ray.train.TrainingFailedError as error:
            raise failure_of(error) from error
    outcome = ray.get(board.outcome.remote())
    if outcome is None:
        raise JobError("training ended without an outcome", code="no_outcome")
    if "error" in outcome:
        raise JobError(outcome["error"]["message"], code=outcome["error"]["code"])
    if "stopped_at" in outcome:
        say(f"pretrain: stopped and saved after step {outcome['stopped_at']} of {config.steps}")
        raise Stopped(request.signal_number or signal.SIGTERM)
    return outcome
