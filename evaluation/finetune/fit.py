"""Runs the trainings that are still to be done as one Ray Train job on the connected Ray."""

from __future__ import annotations

import signal

from chronav import storage
from chronav.errors import JobError, Stopped
from chronav.progress import say
from chronav.signals import in_thread, stop_request
from evaluation.finetune.config import FinetuneConfig
from evaluation.finetune.trial import Trial
from evaluation.finetune.worker import TuneJob, tune_worker
from trainer.board import Watcher, new_board
from trainer.failure import failure_of
from trainer.preflight import cluster_gpus


def fit(
    config: FinetuneConfig, trials: list[Trial], cache: str, mlflow: tuple[str, str] | None = None
) -> None:
    """Leave the weights of every trial in its file. `cache`: a folder for what Ray notes meanwhile.

    Ctrl-C and SIGTERM make the workers save at the end of the step that they are in, and raise `Stopped`. Raises
    `JobError` where training failed; what was finished before is kept in any case.
    """
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    job = TuneJob(config, trials, new_board(), mlflow)
    name = f"ray-{trials[0].file.rpartition('/')[2][:12]}"
    place = storage.join(storage.absolute(cache), "finetuned")
    trainer = TorchTrainer(
        tune_worker,
        train_loop_config={"job": job},
        scaling_config=ScalingConfig(num_workers=config.workers, use_gpu=cluster_gpus() >= config.workers),
        run_config=RunConfig(
            name=name, storage_path=place, failure_config=FailureConfig(max_failures=config.max_failures)
        ),
    )

    def ask_to_stop() -> None:
        say("finetune: stopping after this step; once more to stop at once")
        job.board.ask_to_stop.remote()

    with Watcher(job.board, job.steps, "finetune"), stop_request(ask_to_stop) as request:
        try:
            # Ray takes Ctrl-C for itself where it runs in the main thread.
            in_thread(trainer.fit)
        except ray.train.TrainingFailedError as error:
            raise failure_of(error) from error
        finally:
            storage.remove(storage.join(place, name))
    outcome = ray.get(job.board.outcome.remote())
    if outcome is None:
        raise JobError("training ended without an outcome", code="no_outcome")
    if "error" in outcome:
        raise JobError(outcome["error"]["message"], code=outcome["error"]["code"])
    if "stopped" in outcome:
        say(f"finetune: stopped and saved within {outcome['stopped']}")
        raise Stopped(request.signal_number or signal.SIGTERM)
