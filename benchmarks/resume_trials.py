"""Runs that are killed and go on: the trials of `benchmarks.verify_resume`, and the ways to kill them."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from mlflow import MlflowClient

from chronav.cluster import connected
from chronav.config import build
from chronav.demo import TABLE
from chronav.progress import say
from pipelines.config import IngestConfig
from pipelines.job import ingest
from pipelines.world import WorldConfig, make_world

STEPS, CHECKPOINT_EVERY, KILLS = 90, 10, 3
# Small, so that the time goes into starting and restarting; momentum keys, so that there are banks to bring back.
OVERRIDES = {
    "steps": STEPS,
    "checkpoint_every": CHECKPOINT_EVERY,
    "log_every": 1,
    "heldout_every": STEPS,
    "heldout_draws": 2,
    "batch_size": 16,
    "video.width": 8,
    "loss.keys": "momentum",
    "loss.bank_min_fill": 16,
    "loss.n_positives": 1,
    "loss.n_negatives": 64,
}


@dataclass
class Trial:
    """One run, perhaps in several lives."""

    name: str
    out: Path
    store: str
    kills: list[str] = field(default_factory=list)
    outcome: dict[str, Any] = field(default_factory=dict)

    def history(self, run_id: str) -> dict[tuple[str, int], list[float]]:
        """(metric, step) -> every value that was ever logged for it."""
        client = MlflowClient(tracking_uri=self.store)
        found: dict[tuple[str, int], list[float]] = {}
        for name in client.get_run(run_id).data.metrics:
            if name.startswith(("loss/", "data/")):
                for entry in client.get_metric_history(run_id, name):
                    found.setdefault((name, entry.step), []).append(entry.value)
        return found

    def step_reached(self) -> int:
        """The last step logged so far."""
        # Not through MLflow, whose client would take part in the making of the database.
        file = self.store.removeprefix("sqlite:///")
        try:
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
                found = database.execute("SELECT max(step) FROM metrics WHERE key = 'loss/total'").fetchone()
        except sqlite3.OperationalError:  # not there yet, or being made
            return 0
        return found[0] or 0


def start(trial: Trial, table: str, resume: str, cluster: str | None = None) -> subprocess.Popen[str]:
    """`chronav pretrain` in a process of its own, on a Ray of its own or on the one at the address `cluster`."""
    overrides = [f"{key}={value}" for key, value in OVERRIDES.items()]
    call = [sys.executable, "-m", "chronav.cli", "pretrain", "--table", table, "--out", str(trial.out)]
    call += ["--recipe", "tiny", "--resume", resume, "--json", *overrides]
    environment = os.environ | {"MLFLOW_TRACKING_URI": trial.store}
    if cluster is not None:
        environment["RAY_ADDRESS"] = cluster
    return subprocess.Popen(call, env=environment, stdout=subprocess.PIPE, text=True)


def finish(trial: Trial, process: subprocess.Popen[str]) -> None:
    """Wait for the end and keep the outcome."""
    output, _ = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"{trial.name}: exit code {process.returncode}")
    trial.outcome = json.loads(output.strip().splitlines()[-1])


def kill_driver(process: subprocess.Popen[str]) -> None:
    """SIGKILL the driver and everything that it started, Ray's daemons included, as a power cut would."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        member.kill()
    psutil.wait_procs(family, timeout=30)
    process.wait()


def kill_worker(process: subprocess.Popen[str]) -> None:
    """SIGKILL the training process alone; Ray Train starts another."""
    _training_process(process.pid).send_signal(signal.SIGKILL)


def kill_node(process: subprocess.Popen[str]) -> None:
    """SIGKILL all of the node where training runs, its raylet first; Ray Train goes on elsewhere."""
    raylet = _training_process(os.getpid()).parent()
    assert raylet is not None and "raylet" in raylet.name(), raylet
    family = [raylet, *raylet.children(recursive=True)]
    for member in family:
        member.kill()


def _training_process(root: int) -> psutil.Process:
    for member in psutil.Process(root).children(recursive=True):
        if member.is_running() and "TrainWorker" in " ".join(member.cmdline()):
            return member
    raise SystemExit("there is no training process to kill")


@contextmanager
def two_nodes() -> Iterator[str]:
    """The address of a Ray with a head that runs no tasks and two nodes that do; all on this machine."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=3)
        yield cluster.address
    finally:
        cluster.shutdown()


def at_step(trial: Trial, step: int, process: subprocess.Popen[str], act: Callable[..., None]) -> None:
    """Do `act` to the process once the run has logged `step`."""
    while trial.step_reached() < step:
        if process.poll() is not None:
            raise SystemExit(f"{trial.name}: ended before step {step}")
        time.sleep(0.2)
    act(process)
    trial.kills.append(f"{act.__name__.removeprefix('kill_')} at step {trial.step_reached()}")
    say(f"{trial.name}: {trial.kills[-1]}")


def make_table(folder: Path) -> str:
    """A small world and its clip table."""
    settings = build(WorldConfig, defaults={"videos_per_class": 6, "groups_per_class": 5, "seed": 5})
    table = f"{folder}/clips"
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/ingest.db"
    with connected(min_cpus=3):
        made = make_world(f"{folder}/world", settings)
        ingest(made.folder, table, build(IngestConfig, defaults=TABLE), "world", made.annotations)
    return table


def run_trials(folder: Path, table: str, rng: random.Random) -> list[Trial]:
    """The undisturbed run, and those whose driver, worker or node is killed."""
    names = ("undisturbed", "driver killed", "worker killed", "node killed")
    trials = [
        Trial(name, folder / f"run{i}", f"sqlite:///{folder}/run{i}.db") for i, name in enumerate(names)
    ]
    whole, driver, worker, node = trials
    finish(whole, start(whole, table, "no"))
    moments = sorted(rng.sample(range(CHECKPOINT_EVERY + 2, STEPS - 2), KILLS))
    for number, moment in enumerate(moments):
        process = start(driver, table, "auto" if number else "no")
        at_step(driver, moment, process, kill_driver)
    finish(driver, start(driver, table, "auto"))
    process = start(worker, table, "no")
    at_step(worker, rng.randrange(CHECKPOINT_EVERY + 2, STEPS - 10), process, kill_worker)
    finish(worker, process)
    with two_nodes() as address:
        process = start(node, table, "no", address)
        at_step(node, rng.randrange(CHECKPOINT_EVERY + 2, STEPS - 10), process, kill_node)
        finish(node, process)
    return trials
