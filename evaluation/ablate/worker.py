"""One run in a process of its own: `python -m evaluation.ablate.worker`, with its `RunSpec` as JSON on stdin.

The trainer is a job of its own here, as `chronav pretrain` makes it; its process ends with the run.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from chronav.cluster import connected
from chronav.config import validate
from chronav.errors import CallError, JobError
from chronav.outcome import Outcome, run_command
from chronav.services import load
from chronav.tracking import Run, tracking_uri
from evaluation.ablate.runs import PRETRAIN, RunSpec, keep, missing
from evaluation.job import NOT_FOR_THIS, evaluate
from pipelines.table import open_table


def run(spec: RunSpec) -> Outcome:
    """Do what is missing of a run, and keep the outcome of each stage as soon as it is there."""
    stages = missing(spec)
    with connected(min_cpus=spec.config.workers + 2):
        if PRETRAIN in stages:
            _check_versions(spec)
            keep(spec, PRETRAIN, _pretrained(spec))
        for protocol in stages:
            if protocol != PRETRAIN:
                keep(spec, protocol, _measured(spec, protocol))
    return {"stages": stages}


def _pretrained(spec: RunSpec) -> dict[str, Any]:
    job, data = load("trainer.job"), spec.data
    tables, exclude = list(data.tables), list(data.exclude)
    outcome = job.pretrain(tables, spec.folder, spec.config, spec.recipe, exclude, "auto")
    _link(spec, outcome["mlflow_run_id"])
    return outcome


def _measured(spec: RunSpec, protocol: str) -> dict[str, Any]:
    """The outcome of an evaluation; `left_out` says why where these networks are not fit for the protocol."""
    data = spec.data
    try:
        outcome = evaluate(
            protocol,
            spec.export,
            data.data,
            spec.evaluate,
            data.dataset,
            data.annotations,
            data.split,
            with_items=True,
        )
    except CallError as error:
        if error.code not in NOT_FOR_THIS:
            raise
        return {"left_out": str(error)}
    _link(spec, outcome["mlflow_run_id"])
    wanted = ("main", "metrics", "baselines", "items", "protocol_text", "coverage", "notes", "report")
    return {key: outcome[key] for key in (*wanted, "mlflow_run_id", "seconds")}


def _check_versions(spec: RunSpec) -> None:
    """All runs of a study learn from the same data."""
    for path, version in spec.data.versions.items():
        now = open_table(path).version()
        if now != version:
            raise JobError(
                f"'{path}' went from version {version} to {now} while the ablation ran; run it again, then all runs "
                "learn from the new one",
                code="table_changed",
                path=path,
            )


def _link(spec: RunSpec, run_id: str) -> None:
    """Tie an MLflow run to that of the study."""
    tags = {"chronav.ablation": spec.parent_run, "chronav.ablation_row": spec.name}
    Run(tracking_uri(), run_id).tags({**tags, "mlflow.parentRunId": spec.parent_run})


def main() -> int:
    """Run what stdin says; the exit code is that of a chronav command."""
    spec = validate(RunSpec, json.load(sys.stdin))
    return run_command(
        lambda: run(spec), lambda o: f"{spec.title}: {', '.join(o['stages']) or 'nothing'} done", False
    )


if __name__ == "__main__":
    sys.exit(main())
