"""Does a run that is killed go on as if nothing had been? `make verify-resume` writes docs/resume.md.

One undisturbed run; one whose driver, and Ray with it, is killed (SIGKILL) three times at random steps and resumed
each time with `--resume auto`; one whose worker process is killed once and which nobody touches; one on a Ray of
several nodes that loses the node where it trains. All losses of all steps are compared, the samples seen with the
plan, the MLflow run, and the memory banks at the end.
"""

from __future__ import annotations

import argparse
import platform
import random
import sys
import tempfile
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import torch
from mlflow import MlflowClient

from benchmarks.resume_trials import CHECKPOINT_EVERY, OVERRIDES, STEPS, Trial, make_table, run_trials
from chronav import __version__
from chronav.config import build
from pipelines.table import read_row_group
from trainer import checkpoint, recipes
from trainer.batch import DIGEST_RANGE, sample_digest
from trainer.config import PretrainConfig
from trainer.tables import select_rows

TOLERANCE = 1e-5


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
            f"{OVERRIDES['batch_size']}, a checkpoint every {CHECKPOINT_EVERY}, momentum keys and banks. "
            "Each killed run is compared with an undisturbed one, at every step and in every loss.",
            "",
            "| run | SIGKILL to | largest difference of a loss | samples of every step are the plan's "
            "| last resumed from step | steps done twice | MLflow runs | largest difference in the banks "
            "| as if nothing had been |",
            "|---|---|---|---|---|---|---|---|---|",
            *cells,
            "",
            "*Driver*: the driver and all of Ray at once, then the same command with `--resume auto`. *Worker*: the "
            "training process alone; Ray Train starts another by itself. *Node*: all of the node where it trains, "
            "one of two (`ray.cluster_utils.Cluster`, on one machine); Ray Train goes on with the other. *Steps "
            "done twice*: those between the last checkpoint and the kill; what they logged the second time is "
            "compared too.",
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
        overrides = [f"{key}={value}" for key, value in OVERRIDES.items()]
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
