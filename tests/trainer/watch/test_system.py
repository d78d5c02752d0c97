"""System metrics go to the run of the job, wherever MLflow's own default store is."""

from __future__ import annotations

import mmap
import time

import torch

from chronav.tracking import Run
from trainer.watch.memory import memory
from trainer.watch.system import SystemMetrics


def logged(run: Run) -> dict[str, float]:
    return run._client.get_run(run.run_id).data.metrics


def sample(run: Run, wanted: int) -> None:
    system = SystemMetrics(run, every_s=0.1)
    system.start()
    until = time.monotonic() + 60
    while time.monotonic() < until and samples(run) < wanted:
        time.sleep(0.1)
    system.stop()


def samples(run: Run) -> int:
    return len(run._client.get_metric_history(run.run_id, "system/cpu_utilization_percentage"))


def test_a_continued_run_goes_on_counting(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/runs.db")
    run = Run.start("pretrain", "system")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    sample(run, 2)
    first = samples(run)
    sample(run, first + 2)
    history = run._client.get_metric_history(run.run_id, "system/cpu_utilization_percentage")
    steps = [metric.step for metric in history]
    assert first >= 2
    assert sorted(steps) == list(range(len(steps)))
    assert "system/system_memory_usage_megabytes" in logged(run)
    assert run.history() == []  # samples of the machine are no training steps


def test_memory_is_that_of_this_process():
    before = memory(torch.device("cpu"))["memory/process_gib"]
    # Not from the allocator, which may have kept as much of what it was given back.
    with mmap.mmap(-1, 2**28, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:
        held.write(b"1" * 2**28)
        grown = memory(torch.device("cpu"))["memory/process_gib"] - before
    assert 0.2 < grown < 0.4
