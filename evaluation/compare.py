"""`chronav compare`: evaluations beside one another, on a page and in an MLflow run of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from chronav import storage
from chronav.errors import CallError
from chronav.outcome import Outcome
from chronav.tracking import Run
from evaluation.outcomes import load_outcomes
from evaluation.pages.compare_page import write_compare_page
from evaluation.tasks import Task, tasks_of


def compare(names: Sequence[str], out: str) -> Outcome:
    """Write the page `out` (local or URL) that compares the named evaluations; see `load_outcomes` for the names.

    Raises `CallError` where fewer than two evaluations are named, or `out` is no HTML file.
    """
    started = time.monotonic()
    if not out.endswith((".html", ".htm")):
        raise CallError(f"--out must be an .html file, not '{out}'", code="bad_value", key="out")
    found = load_outcomes(names)
    if len(found) < 2:
        raise CallError("it takes two evaluations to compare", code="too_few_runs", key="runs")
    tasks = tasks_of(found)
    report = storage.absolute(out)
    write_compare_page(report, tasks)
    ids = [str(one.outcome.get("mlflow_run_id", "")) for one in found]
    run = Run.start("evaluate", f"compare {len(found)} evaluations", {"chronav.compares": ", ".join(ids)})
    for task in tasks:
        run.table(f"compare-{task.protocol}-{task.dataset}.json", task.table())
    run.text(report.rpartition("/")[2], storage.read_bytes(report).decode("utf-8"))
    run.finish()
    return {
        "runs": len(found),
        "tasks": [_described(task) for task in tasks],
        "report": report,
        "mlflow_run_id": run.run_id,
        "seconds": time.monotonic() - started,
        "summary": "\n".join([*(line for task in tasks for line in task.lines()), f"report: {report}"]),
    }


def _described(task: Task) -> dict[str, Any]:
    return {
        "protocol": task.protocol,
        "dataset": task.dataset,
        "main": task.main,
        "runs": [
            {
                "name": run.name,
                "export": run.outcome["export"],
                "value": run.outcome["metrics"].get(task.main),
            }
            for run in task.runs
        ],
        "differences": [
            vars(run.paired) if run.is_paired else {"reason": run.paired} for run in task.runs[1:]
        ],
    }
