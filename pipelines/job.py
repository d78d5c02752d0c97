"""`chronav ingest`: media files into a clip table and its ledger, as a Ray Data job."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, replace
from typing import Any

from deltalake.exceptions import DeltaError

from chronav import storage
from chronav.cluster import connected
from chronav.errors import JobError
from chronav.outcome import Outcome
from chronav.progress import say
from chronav.tracking import Run, check_store, store_errors
from pipelines import compact, vacuum
from pipelines import ledger as ledgers
from pipelines.batches import Batches
from pipelines.check import check_table, say_taken_over
from pipelines.commit import ClipTable, count_segments
from pipelines.config import IngestConfig
from pipelines.inspect import log_overview
from pipelines.lease import Lease
from pipelines.options import Options
from pipelines.plan import Plan, State, compare
from pipelines.preview import counts, kept_line, missing, preview
from pipelines.rebuild import open_stage, promote, tidy
from pipelines.relabel import keeping, relabel
from pipelines.result import one_line
from pipelines.schema import ledger_path
from pipelines.sources import Listing, list_source
from pipelines.table import table_exists
from pipelines.transaction import parts_of


def ingest(
    source: str,
    table: str,
    config: IngestConfig,
    dataset: str = "folder",
    annotations: str | None = None,
    options: Options = Options(),
) -> Outcome:
    """Bring `table` up to date with `source`; returns the outcome that `--json` prints.

    Files that the ledger knows unchanged are not opened, and no cluster is started when there is nothing to do.
    Content keys that `config` was not given are as `table` was made, where there is one.
    Waits while another ingest writes the table. Raises `CallError` before anything is written, `JobError` when
    the cluster fails or another ingest takes the table over; what was committed until then stays. `JobError`, too,
    where the MLflow store fails: at the start, with nothing written, or at the end, with the table as it should be.
    """
    begun = time.monotonic()

    def listed() -> tuple[IngestConfig, Listing]:
        used = check_table(table, config, options.rebuild)
        return used, list_source(source, dataset, annotations, outside=(table, ledger_path(table)))

    used, listing = listed()
    if options.dry_run:
        say_taken_over(table, config, used)
        return preview(listing, table, used, options) | {"seconds": time.monotonic() - begun}
    with _storage_errors(table), Lease(table) as lease:
        if lease.waited:
            used, listing = listed()
        say_taken_over(table, config, used)
        with store_errors("nothing was ingested"):
            check_store()
            run = Run.start("ingest", f"ingest {dataset}", {"table": storage.absolute(table)})
        try:
            with store_errors("nothing was ingested"):
                _log_call(
                    run, listing, used, options, source=source, dataset=dataset, annotations=annotations
                )
            outcome, before = _bring_up(listing, table, used, options, lease, run.run_id)
            outcome |= {"seconds": time.monotonic() - begun, "mlflow_run_id": run.run_id}
            with store_errors(f"'{table}' has been brought up to date, but its MLflow run lacks the outcome"):
                _log(run, outcome, changed=outcome["table_version"] != before)
                run.finish()
        except BaseException as error:
            with suppress(Exception):  # the store may be what failed
                check_store()
                run.finish("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise
    return outcome


def _bring_up(
    listing: Listing, table: str, config: IngestConfig, options: Options, lease: Lease, run_id: str
) -> tuple[Outcome, int]:
    """Do what there is to do; the outcome, and the version that the table had before."""
    main, target = _open(table, config, options.rebuild)
    if options.rebuild:
        options = replace(options, prune=True)
    before = main.clips.version()
    state = target.state()
    plan = compare(listing.items, state, listing.lacks, options, listing.annotated)
    plan = keeping(plan, state.known, target.clips)
    if plan.kept:
        say(kept_line(plan.kept))
    outcome: Outcome = {**counts(listing, plan)}
    if target is not main:
        outcome["removed"] = len(missing(ledgers.read_known(main.ledger), listing))
    batches = Batches(target, plan, state, run_id)
    done = _write(main, batches, plan, state, options, lease)
    return outcome | _table_counts(main, batches, outcome) | done, before


@contextmanager
def _storage_errors(table: str) -> Iterator[None]:
    """What a full disk or a store out of reach raises, as one line."""
    try:
        yield
    except (OSError, DeltaError) as error:
        message = f"ingest into '{table}' stopped: {one_line(error)}"
        raise JobError(message, code="storage", path=table) from error


def _open(table: str, config: IngestConfig, rebuild: bool) -> tuple[ClipTable, ClipTable]:
    """The table, and the one that clips are written to: itself, or one aside for a rebuild."""
    there = table_exists(table)
    main = ClipTable(table, config)
    if main.catch_up():
        say(f"the ledger of '{table}' lacked the last batch of a killed ingest: made good")
    if tidy(main):
        say(f"the killed rebuild of '{table}' had put its content in place: this call goes on from there")
        rebuild = False
    if not (there and rebuild):
        return main, main
    stage = open_stage(main)
    stage.catch_up()
    return main, stage


def _write(
    main: ClipTable, batches: Batches, plan: Plan, state: State, options: Options, lease: Lease
) -> dict[str, Any]:
    """Do what the plan and the options say; what was done beside decoding."""
    target = batches.table
    done: dict[str, Any] = {"pruned": 0, "rebuilt": False}
    if options.prune:
        batches.prune(plan.removed)
        done["pruned"] = len(plan.removed)
    batches.reject(plan.duplicates)
    relabel(
        target, plan.relabelled, batches.run_id, lease
    )  # first: a split that has moved must not wait for days
    with connected() if plan.todo else nullcontext():
        if plan.todo:
            from pipelines.execute import decode_all  # decoders take a second to load

            decode_all(plan, state, target.config, batches, lease)
        relabel(target, batches.outdated, batches.run_id, lease)
        if plan.todo or options.compact:
            done["compacted"] = _compact(target, options.compact, lease)
    done["relabelled"] = len(plan.relabelled) + len(batches.outdated)
    if target is not main and not plan.remaining:
        promote(target, main, batches.run_id)
        done["rebuilt"] = True
    if options.vacuum:
        orphans = vacuum.orphans(main.path)
        lease.check()
        vacuum.delete(orphans)
        done["vacuumed"] = vacuum.summary(orphans)
    return done


def _compact(table: ClipTable, all_small: bool, lease: Lease) -> dict[str, int]:
    """Merge small data files: at the end of a large job those that make files of full size, else all."""
    groups = compact.choose(parts_of(table.clips), all_small)
    if groups:
        from pipelines.execute import merge_all

        merge_all(groups, table, lease)
    return {"files": sum(map(len, groups)), "into": len(groups)}


def _table_counts(table: ClipTable, batches: Batches, planned: Outcome) -> Outcome:
    return {
        "changed": planned["changed"] - batches.touched,
        "unchanged": planned["unchanged"] + batches.touched,
        "decoded": batches.decoded,
        "media_seconds": batches.media_s,
        **ledgers.totals(table.ledger),
        **count_segments(table.clips),
        "table": table.path,
        "table_version": table.clips.version(),
    }


def _log_call(run: Run, listing: Listing, config: IngestConfig, options: Options, **call: str | None) -> None:
    asked = asdict(options) | {"retry": ",".join(sorted(options.retry))}
    run.params(config.model_dump() | {name: value for name, value in (call | asked).items() if value})
    if listing.missing:
        run.text("missing.txt", "\n".join(listing.missing) + "\n")
    if listing.ignored:
        lines = [f"{uri}: {why}" for uri, why in listing.left_out.items()]
        more = listing.ignored - len(lines)
        run.text("ignored.txt", "\n".join([*lines, f"and {more} more"] if more else lines) + "\n")


def _log(run: Run, outcome: Outcome, changed: bool) -> None:
    values = {name: value for name, value in outcome.items() if isinstance(value, int | float)}
    values |= {f"reason.{code}": count for code, count in outcome["reasons"].items()}
    run.metrics(values)
    run.tags({"table_version": str(outcome["table_version"])})
    if changed:
        log_overview(run, outcome["table"], outcome["table_version"])
