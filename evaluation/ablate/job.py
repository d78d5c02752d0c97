"""`chronav ablate`: wires the grid, the runs, each a trainer job of its own, and the table of differences."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from chronav import storage
from chronav.cluster import connected
from chronav.errors import JobError
from chronav.outcome import Outcome
from chronav.progress import say
from chronav.tracking import Run, tracking_uri
from evaluation.ablate.config import FULL, AblateConfig, open_grid
from evaluation.ablate.fleet import Failure, Fleet, at_a_time, cpus_for, log_folder, worker_command
from evaluation.ablate.preflight import Asked, settle
from evaluation.ablate.publish import publish
from evaluation.ablate.runs import PRETRAIN, RunSpec, missing, read
from evaluation.ablate.table import Row, study
from evaluation.ablate.variants import Variant, untrained, variants
from evaluation.config import EvaluateConfig


def ablate(asked: Asked, grid_name: str, out: str, config: AblateConfig, recipe: str) -> Outcome:
    """Train and measure every row of a grid with every seed, and compare the rows with the full method.

    Runs whose networks and figures are in the folder `out` for the same config and data are not repeated. Raises
    `CallError` for a wrong call, before anything is trained; `JobError` where runs failed, after the others have
    ended and what there is has been written.
    """
    started = time.monotonic()
    grid, out = open_grid(grid_name), storage.absolute(out)
    seeds = config.seeds or grid.seeds
    rows, notes = variants(grid, config.full, recipe)
    evaluate = _evaluate_config(config.evaluate, out)
    data = settle(asked, rows, grid.protocols, evaluate)
    specs = [
        RunSpec(
            name=row.name,
            seed=seed,
            recipe=row.recipe,
            config=row.seeded(seed),
            data=data,
            protocols=grid.protocols,
            evaluate=evaluate,
            out=out,
        )
        for seed in seeds
        for row in rows
    ]
    run, published = _start_run(specs, grid_name, recipe, config)
    specs = [spec.model_copy(update={"parent_run": run.run_id}) for spec in specs]
    try:
        failures = _run_missing(specs, config)
        outcome = {
            "grid": grid_name,
            "recipe": recipe,
            "steps": config.steps,
            "tables": list(data.tables),
            "exclude": list(data.exclude),
            "data": data.data,
            "notes": notes,
            **_collected(specs, rows, failures),
            "mlflow_run_id": run.run_id,
            "seconds": time.monotonic() - started,
        }
        publish(run, outcome, out, published)
        _note_run(specs, run, True)
        _raise_for(failures, len(specs), outcome["report"])
    except BaseException as error:
        run.finish("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    run.finish()
    return outcome


def _evaluate_config(config: EvaluateConfig, out: str) -> EvaluateConfig:
    """Reports go below the study's folder unless the call says otherwise; paths are the same for all processes."""
    reports = config.out if "out" in config.model_fields_set else storage.join(out, "evaluate")
    paths = {"out": storage.absolute(reports), "cache": storage.absolute(config.cache)}
    return config.model_copy(update=paths)


def _run_missing(specs: Sequence[RunSpec], config: AblateConfig) -> list[Failure]:
    todo = [spec for spec in specs if missing(spec)]
    say(f"ablate: {len(specs)} runs, {len(specs) - len(todo)} of them done already")
    if not todo:
        return []
    with connected(cpus_for(min(config.jobs or 1, len(todo)), config.workers)):
        import ray

        resources = ray.cluster_resources()
        jobs = at_a_time(resources.get("CPU", 0), resources.get("GPU", 0), config, len(todo), config.jobs)
        say(f"ablate: {jobs} at a time")
        # One Ray for all of them, which shares out what there is; one MLflow store.
        address = os.environ.get("RAY_ADDRESS") or ray.get_runtime_context().gcs_address
        environment = {**os.environ, "RAY_ADDRESS": address, "MLFLOW_TRACKING_URI": tracking_uri()}
        logs = log_folder(specs[0].out, tempfile.mkdtemp)
        return Fleet(logs, worker_command(), environment).sail(todo, jobs)


def _collected(
    specs: Sequence[RunSpec], rows: Sequence[Variant], failures: Sequence[Failure]
) -> dict[str, Any]:
    """The table of what there is, the runs that it is of, and the titles of those that are missing."""
    found: dict[str, dict[int, dict[str, Any]]] = {row.name: {} for row in rows}
    runs, lacking = [], []
    for spec in specs:
        stages = {stage: read(spec, stage) for stage in (PRETRAIN, *spec.protocols)}
        outcomes = {stage: outcome for stage, outcome in stages.items() if outcome is not None}
        if len(outcomes) < len(stages):
            lacking.append(spec.title)
        if PRETRAIN in outcomes:
            found[spec.name][spec.seed] = outcomes
            runs.append(_described(spec, outcomes))
    if not found[FULL]:
        why = f" ({failures[0].title}: {failures[0].message}; log: {failures[0].log})" if failures else ""
        raise JobError(f"the full method did not run{why}: nothing to compare with", code="no_full_run")
    protocols = specs[0].protocols
    measured = found[FULL].values()
    table = study([Row(row.name, found[row.name], untrained(row.config)) for row in rows], protocols)
    texts = {p: one[p]["protocol_text"] for one in measured for p in protocols if "main" in one.get(p, {})}
    return {
        **table,
        "seeds": sorted({spec.seed for spec in specs}),
        "protocol_texts": texts,
        "runs": runs,
        "missing": lacking,
    }


def _described(spec: RunSpec, outcomes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    measured = {stage: one for stage, one in outcomes.items() if stage != PRETRAIN and "main" in one}
    return {
        "row": spec.name,
        "seed": spec.seed,
        "config_digest": spec.config.digest(),
        "export": spec.export,
        "pretrain_run": outcomes[PRETRAIN]["mlflow_run_id"],
        "evaluate_runs": {protocol: one["mlflow_run_id"] for protocol, one in measured.items()},
        "seconds": sum(one.get("seconds", 0.0) for one in outcomes.values()),
    }


def _start_run(specs: Sequence[RunSpec], grid: str, recipe: str, config: AblateConfig) -> tuple[Run, bool]:
    """The study's MLflow run, continued where the same study was begun in this folder; whether it has a result."""
    file, first = _note_file(specs), specs[0]
    known = json.loads(storage.read_bytes(file)) if storage.is_file(file) else {}
    tags = {"chronav.out": first.out, "chronav.tables": ", ".join(first.data.tables), "data": first.data.data}
    run = Run.start("ablate", f"{recipe} {grid.rpartition('/')[2]}", tags, known.get("mlflow_run_id"))
    published = bool(known) and known["mlflow_run_id"] == run.run_id and known["published"]
    _note_run(specs, run, published)
    params = {
        "recipe": recipe,
        "grid": grid,
        "rows": ", ".join(dict.fromkeys(spec.name for spec in specs)),
        "study_seeds": ", ".join(str(seed) for seed in sorted({spec.seed for spec in specs})),
        "protocols": ", ".join(first.protocols),
        "exclude": ", ".join(first.data.exclude),
    }
    run.params(params | config.model_dump(exclude={"seed", "seeds"}))
    return run, published


def _note_file(specs: Sequence[RunSpec]) -> str:
    """Where it is noted which MLflow run is that of the study: of these very runs and measurements."""
    keys = [spec.key + "".join(spec.evaluate_digest(p) for p in spec.protocols) for spec in specs]
    digest = hashlib.sha256(" ".join(keys).encode()).hexdigest()[:12]
    return storage.join(specs[0].out, f"study-{digest}.json")


def _note_run(specs: Sequence[RunSpec], run: Run, published: bool) -> None:
    note = {"mlflow_run_id": run.run_id, "published": published}
    storage.write_bytes(_note_file(specs), json.dumps(note).encode())


def _raise_for(failures: Sequence[Failure], runs: int, report: str) -> None:
    if failures:
        first = failures[0]
        raise JobError(
            f"{len(failures)} of {runs} runs failed; {first.title}: {first.message} (log: {first.log}); "
            f"what there is: {report}; the same command goes on",
            code="runs_failed",
            path=first.log,
        )
