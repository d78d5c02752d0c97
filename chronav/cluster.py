"""Joining a Ray cluster: the one named by RAY_ADDRESS, else a private one on this machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager


def _quiet_environment() -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    # Ray runs its workers at niceness 15: anything else on the machine would starve training.
    os.environ.setdefault("RAY_worker_niceness", "0")
    os.environ.setdefault("RAY_TRAIN_ENABLE_STATE_TRACKING", "0")


@contextmanager
def connected(min_cpus: int = 1) -> Iterator[None]:
    """Be connected to Ray inside the block, and leave it as it was found.

    Uses the connection that the process already has, else `RAY_ADDRESS` (set inside a submitted job),
    else starts a private Ray here; never joins a cluster that merely happens to run on this machine.
    `min_cpus`: logical CPUs without which the job cannot make progress; a private Ray is given them.
    """
    _quiet_environment()
    import ray

    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS")
    options = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    if address:
        ray.init(address=address, **options)
    else:
        cpus = max(os.cpu_count() or 1, min_cpus)
        ray.init(address="local", num_cpus=cpus, include_dashboard=False, **options)
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def fitted_ray_data() -> Iterator[None]:
    """Data sets that are made inside the block are run as fits jobs of one operation, which all of chronav's are.

    Off: Ray Data's progress bars and chatter (chronav shows its own, with time left); its end of a job in which no
    task has ended for half an hour (a long film takes longer, and every file has a limit of its own); and the shares
    of the cluster that it keeps for each operation. These let one task run in the first second of a job, whatever
    the cluster, and leave a fifth of a second between any two tasks of a worker (Ray 2.60: `benchmarks.ray_data`).
    Without them a job's answers have to be small, or the job: it is not slowed down for what is not read yet.
    """
    from ray.data import DataContext

    context = DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.execution_no_progress_timeout_s = -1
    context.op_resource_reservation_enabled = False
    context.downstream_capacity_backpressure_ratio = None
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    with DataContext.current(context):
        yield
