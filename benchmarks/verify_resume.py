"""Does a run that is killed go on as if nothing had been? `make verify-resume` writes docs/resume.md.

One undisturbed run; one whose driver, and Ray with it, is killed (SIGKILL) three times at random steps and resumed
each time with `--resume auto`; one whose worker process is killed once and which nobody touches. All losses of all
steps are compared, the samples seen with the plan, the MLflow run, and the memory banks at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import torch
from mlflow import MlflowClient

from chronav import __version__
from chronav.cluster import connected
from chronav.config import build
from chronav.demo import TABLE
from chronav.progress import say
from pipelines.config import IngestConfig
from pipelines.job import ingest
from pipelines.table import read_row_group
from pipelines.world import WorldConfig, make_world
from trainer import checkpoint, recipes
from trainer.batch import DIGEST_RANGE, sample_digest
from trainer.config import PretrainConfig
from trainer.tables import select_rows

TOLERANCE = 1e-5
STEPS, CHECKPOINT_EVERY, KILLS = 90, 10, 3
# Small, so that the time goes into starting and restarting; momentum keys, so that there are banks to bring back.
_OVERRIDES = {
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


def start(trial: Trial, table: str, resume: str) -> subprocess.Popen[str]:
    """`chronav pretrain` in a process of its own."""
    overrides = [f"{key}={value}" for key, value in _OVERRIDES.items()]
    call = [sys.executable, "-m", "chronav.cli", "pretrain", "--table", table, "--out", str(trial.out)]
    call += ["--recipe", "tiny", "--resume", resume, "--json", *overrides]
    environment = os.environ | {"MLFLOW_TRACKING_URI": trial.store}
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
    for member in psutil.Process(process.pid).children(recursive=True):
        if member.is_running() and "TrainWorker" in " ".join(member.cmdline()):
            member.send_signal(signal.SIGKILL)
            return
    raise SystemExit("there is no training process to kill")


def at_step(trial: Trial, step: int, process: subprocess.Popen[str], act: Callable[..., None]) -> None:
    """Do `act` to the process once the run has logged `step`."""
    while trial.step_reached() < step:
        if process.poll() is not None:
            raise SystemExit(f"{trial.name}: ended before step {step}")
        time.sleep(0.2)
    act(process)
    trial.kills.append(f"{act.__name__.removeprefix('kill_')} at step {trial.step_reached()}")
    say(f"{trial.name}: {trial.kills[-1]}")


def planned_digests(table: str, config: PretrainConfig) -> dict[int, int]:
    """Step -> digest of the samples that the plan has for it, computed without the trainer's input path.

    Raises `AssertionError` where the plan has a segment too often in an epoch, or leaves more out than lanes must.
    """
    data = select_rows([table], config)
    ids: dict[Any, list[str]] = {}
    digests = dict.fromkeys(range(1, config.steps + 1), 0)
    per_epoch: dict[int, Counter[str]] = {}
    plan = data.plan(config)
    per_lane = plan.shape.per_lane
    for piece in plan.pieces(range(config.lanes), 0, config.steps):
        for number, row, index in piece.samples.tolist():
            group = piece.groups[number]
            if group not in ids:
                ids[group] = read_row_group(group, ["clip_id"])["clip_id"].to_pylist()
            clip = ids[group][row]
            digests[index // config.batch_size + 1] += sample_digest(index, clip)
            step, within = divmod(index, config.batch_size)
            epoch = (step * per_lane + within % per_lane) // plan.lane_length
            per_epoch.setdefault(epoch, Counter())[clip] += 1
    for counts in list(per_epoch.values())[:-1]:  # whole epochs
        assert max(counts.values()) <= config.samples_per_row
        assert plan.epoch_samples - counts.total() < config.lanes
    return {step: value % DIGEST_RANGE for step, value in digests.items()}


def compare(whole: Trial, other: Trial, digests: dict[int, int]) -> dict[str, Any]:
    """Largest difference of any loss at any step, and what else must hold."""
    ours, theirs = (t.history(t.outcome["mlflow_run_id"]) for t in (whole, other))
    losses = [key for key in ours if key[0].startswith("loss/")]
    worst = max(abs(value - ours[key][0]) for key in losses for value in theirs.get(key, [float("inf")]))
    samples = all(
        set(theirs.get(("data/samples_digest", step), [])) == {float(digest)}
        for step, digest in digests.items()
    )
    client = MlflowClient(tracking_uri=other.store)
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    states = [
        torch.load(Path(t.outcome["checkpoint"], checkpoint.TENSORS), weights_only=True)["contrast"]
        for t in (whole, other)
    ]
    banks = [name for name in states[0] if name.startswith("banks.")]
    gap = max(float((states[0][n].double() - states[1][n].double()).abs().max()) for n in banks)
    again = sum(len(theirs[("loss/total", step)]) > 1 for step in digests)
    # A run that began anew would look the same, but for the steps that it does twice.
    resumed = other.outcome["resumed_from_step"] >= CHECKPOINT_EVERY
    few = again <= len(other.kills) * 2 * CHECKPOINT_EVERY
    return {
        "kills": "; ".join(other.kills),
        "worst": worst,
        "samples": samples,
        "runs": len(runs),
        "bank": gap,
        "again": again,
        "resumed_from": other.outcome["resumed_from_step"],
        "ok": worst <= TOLERANCE and samples and len(runs) == 1 and gap <= TOLERANCE and resumed and few,
    }


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
    """The undisturbed run, the one whose driver is killed, the one whose worker is killed."""
    names = ("undisturbed", "driver killed", "worker killed")
    trials = [
        Trial(name, folder / f"run{i}", f"sqlite:///{folder}/run{i}.db") for i, name in enumerate(names)
    ]
    whole, driver, worker = trials
    finish(whole, start(whole, table, "no"))
    moments = sorted(rng.sample(range(CHECKPOINT_EVERY + 2, STEPS - 2), KILLS))
    for number, moment in enumerate(moments):
        process = start(driver, table, "auto" if number else "no")
        at_step(driver, moment, process, kill_driver)
    finish(driver, start(driver, table, "auto"))
    process = start(worker, table, "no")
    at_step(worker, rng.randrange(CHECKPOINT_EVERY + 2, STEPS - 10), process, kill_worker)
    finish(worker, process)
    return trials


def page(rows: list[tuple[str, dict[str, Any]]], seed: int) -> str:
    """The page as Markdown."""
    cells = [
        f"| {name} | {r['kills']} | {r['worst']:.1e} | {'yes' if r['samples'] else '**no**'} "
        f"| {r['resumed_from']} | {r['again']} | {r['runs']} | {r['bank']:.1e} | {'yes' if r['ok'] else '**no**'} |"
        for name, r in rows
    ]
    return "\n".join(
        [
            "# Does a killed run go on as if nothing had been?",
            "",
            "Written by `make verify-resume` (`benchmarks/verify_resume.py`); do not edit by hand.",
            "",
            f"{date.today().isoformat()}, chronav {__version__}, {platform.machine()}, Python "
            f"{platform.python_version()}, CPU, float32, seed {seed} of the moments. {STEPS} steps of batch "
            f"{_OVERRIDES['batch_size']}, a checkpoint every {CHECKPOINT_EVERY}, momentum keys and banks. "
            "Each killed run is compared with an undisturbed one, at every step and in every loss.",
            "",
            "| run | SIGKILL to | largest difference of a loss | samples of every step are the plan's "
            "| last resumed from step | steps done twice | MLflow runs | largest difference in the banks "
            "| as if nothing had been |",
            "|---|---|---|---|---|---|---|---|---|",
            *cells,
            "",
            "*Driver*: the driver and all of Ray at once, then the same command with `--resume auto`. *Worker*: the "
            "training process alone; Ray Train starts another by itself. *Steps done twice*: those between the last "
            "checkpoint and the kill; what they logged the second time is compared too.",
            "",
        ]
    )


def main() -> int:
    """Run, print, write the page; the exit code says whether every killed run equals the undisturbed one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--page", default="docs/resume.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chronav-resume-") as name:
        folder = Path(name)
        table = make_table(folder)
        overrides = [f"{key}={value}" for key, value in _OVERRIDES.items()]
        config = build(PretrainConfig, overrides=overrides, defaults=recipes.get("tiny"))
        digests = planned_digests(table, config)
        whole, *killed = run_trials(folder, table, random.Random(given.seed))
        rows = [(trial.name, compare(whole, trial, digests)) for trial in killed]
    text = page(rows, given.seed)
    Path(given.page).write_text(text)
    print(text)
    return 0 if all(row["ok"] for _, row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
