"""`chronav ingest`: media files into a clip table and its ledger, as a Ray Data job."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping

from chronav.cluster import connected, quiet_ray_data
from chronav.errors import JobError
from chronav.outcome import Outcome
from chronav.progress import Bar
from chronav.tracking import Run
from pipelines import ledger as ledgers
from pipelines.batches import Batches
from pipelines.commit import ClipTable, check_table, count_segments
from pipelines.config import IngestConfig
from pipelines.result import one_line
from pipelines.schema import ledger_path
from pipelines.sources import Listing, list_source
from pipelines.task import Done, make_tasks, read_done, run_task

_TASKS_A_CPU = 4  # at least so many, where there are files enough, so that no core idles at the end


def ingest(
    source: str,
    table: str,
    config: IngestConfig,
    dataset: str = "folder",
    annotations: str | None = None,
) -> Outcome:
    """Bring `table` up to date with `source`; returns the outcome that `--json` prints.

    Files that the ledger knows unchanged are not opened. Raises `CallError` before anything is written,
    `JobError` when the cluster fails; what was committed until then stays.
    """
    begun = time.monotonic()
    listing = list_source(source, dataset, annotations, outside=(table, ledger_path(table)))
    check_table(table, config)
    clip_table = ClipTable(table, config)
    clip_table.catch_up()
    known = ledgers.read_known(clip_table.ledger)
    owners = clip_table.owners()
    plan = ledgers.compare(listing.items, known, owners, listing.lacks)
    run = Run.start("ingest", name=f"ingest {dataset}", tags={"table": clip_table.path})
    try:
        run.params({**config.model_dump(), "source": source, "dataset": dataset})
        if listing.missing:
            run.text("missing.txt", "\n".join(listing.missing) + "\n")
        batches = Batches(clip_table, plan, known, owners.values(), run.run_id)
        if plan.todo:
            _decode_all(plan, known, config, batches)
        outcome = _outcome(listing, plan, batches)
        outcome |= {"seconds": time.monotonic() - begun, "mlflow_run_id": run.run_id}
        _log(run, outcome)
    except BaseException as error:
        run.finish("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    run.finish()
    return outcome


def _decode_all(
    plan: ledgers.Plan, known: Mapping[str, ledgers.Known], config: IngestConfig, batches: Batches
) -> None:
    """Decode what is new or changed on the cluster, and commit batch by batch."""
    hashes = {uri: row.sha256 for uri, row in known.items()}
    hashes |= {uri: hashes[of] for uri, of in plan.twins.items()}
    reasons: Counter[str] = Counter()
    files = 0
    with connected(), Bar("ingest", len(plan.todo), "files") as bar:
        tasks = make_tasks(
            plan.todo, hashes, _files_per_task(len(plan.todo), config), config.files_per_commit
        )
        batches.expect(tasks)
        for done in _run(tasks, batches.table.path, config):
            batches.take(done)
            files += len(done.rows) + len(done.touched)
            reasons.update(row["reason"] for row in done.rows if row["reason"] is not None)
            bar.update(files, ", ".join(f"{code} {count}" for code, count in sorted(reasons.items())))
    batches.finish()


def _files_per_task(files: int, config: IngestConfig) -> int:
    import ray

    cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
    return max(1, min(config.files_per_task, math.ceil(files / (cpus * _TASKS_A_CPU))))


def _run(tasks: list[dict[str, str]], table: str, config: IngestConfig) -> Iterator[Done]:
    """Run the tasks with Ray Data; their answers as they come."""
    import ray.data
    from ray.exceptions import RayError

    quiet_ray_data()
    answers = ray.data.from_items(tasks, override_num_blocks=len(tasks)).map(
        run_task, fn_kwargs={"table": table, "config": config}
    )
    try:
        for row in answers.iter_rows():
            yield read_done(row)
    except RayError as error:
        raise JobError(f"ingest stopped: {one_line(error)}", code="ray", path=table) from error


def _outcome(listing: Listing, plan: ledgers.Plan, batches: Batches) -> Outcome:
    table = batches.table
    touched = batches.touched
    return {
        "files": len(listing.items),
        "ignored": listing.ignored,
        "missing": len(listing.missing),
        "new": len(plan.new),
        "changed": len(plan.changed) - touched,
        "unchanged": plan.unchanged + touched,
        "removed": len(plan.removed),
        "decoded": batches.decoded,
        **ledgers.totals(table.ledger),
        **count_segments(table.clips),
        "table": table.path,
        "table_version": table.clips.version(),
    }


def _log(run: Run, outcome: Outcome) -> None:
    counts = {name: value for name, value in outcome.items() if isinstance(value, int | float)}
    counts |= {f"reason.{code}": count for code, count in outcome["reasons"].items()}
    run.metrics(counts)
    run.tags({"table_version": str(outcome["table_version"])})
