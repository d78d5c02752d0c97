"""What an ingest would do and why: nothing is written, no cluster and no MLflow run is started."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace

from chronav import storage
from chronav.outcome import Outcome
from chronav.progress import say
from pipelines import compact, vacuum
from pipelines import ledger as ledgers
from pipelines.commit import count_segments
from pipelines.config import IngestConfig
from pipelines.options import Options
from pipelines.plan import Action, Plan, State, compare, explain
from pipelines.rebuild import stage_path
from pipelines.recovery import pending, state_of, unknown_annotations
from pipelines.schema import ledger_path
from pipelines.sources import Listing
from pipelines.table import open_table, table_exists
from pipelines.transaction import parts_of


def preview(listing: Listing, table: str, config: IngestConfig, options: Options) -> Outcome:
    """The outcome of a dry run: the counts of an ingest, and `actions`, file by file."""
    path = storage.absolute(table)
    there = table_exists(path)
    state = read_state(path)
    target, worked_on = path, state
    if options.rebuild and there:
        options = replace(options, prune=True)
        target = stage_path(open_table(path), path, config)
        worked_on = read_state(target)
    plan = compare(listing.items, worked_on, listing.lacks, options, listing.annotated)
    if plan.kept:
        say(kept_line(plan.kept))
    if target != path:
        plan.removed = missing(state.known, listing)
    rows = state.known.values()
    outcome = {
        "dry_run": True,
        **counts(listing, plan),
        "to_decode": len(plan.todo),
        "decoded": 0,
        **ledgers.count((row.status for row in rows), (row.reason for row in rows)),
        "segments": 0,
        "segments_with_sound": 0,
        "table": path,
        "table_version": None,
        "mlflow_run_id": None,
    }
    if there:
        clips = open_table(path)
        outcome |= count_segments(clips) | {"table_version": clips.version()}
    if options.compact and table_exists(target):
        outcome["to_compact"] = sum(map(len, compact.choose(parts_of(open_table(target)), all_small=True)))
    if options.vacuum and there:
        outcome["to_vacuum"] = vacuum.summary(vacuum.orphans(path))
    actions = [*explain(plan, worked_on, options.prune)]
    actions += [Action(uri, "ignored", why) for uri, why in listing.left_out.items()]
    return outcome | {"actions": [asdict(action) for action in actions]}


def read_state(table: str) -> State:
    """What a table and its ledger hold, or will once they are caught up after a kill; neither has to be there."""
    path = ledger_path(table)
    ledger = open_table(path) if table_exists(path) else None
    known = ledgers.read_known(ledger) if ledger is not None else {}
    if not table_exists(table):
        return State(known, lost=frozenset(uri for uri, row in known.items() if row.clips))
    clips = open_table(table)
    entry = pending(table, clips, ledger) if ledger is not None else None
    known = entry.known(known) if entry else known
    return state_of(ledgers.with_annotations(known, unknown_annotations(known, clips)), clips)


def kept_line(count: int) -> str:
    """What to say of files whose annotations a source without any would take away."""
    return (
        f"{count} files keep the dataset, label, group and splits that they were ingested with: "
        "this call has no annotations for them"
    )


def counts(listing: Listing, plan: Plan) -> dict[str, int]:
    """How many files are in which class; `new` to `remaining` sum up to `files`, `relabelled` is of `unchanged`."""
    return {
        "files": len(listing.items),
        "ignored": listing.ignored,
        "missing": len(listing.missing),
        "new": len(plan.new),
        "changed": len(plan.changed),
        "retried": len(plan.retried),
        "unchanged": plan.unchanged,
        "relabelled": len(plan.relabelled),
        "remaining": plan.remaining,
        "removed": len(plan.removed),
    }


def missing(known: Iterable[str], listing: Listing) -> list[str]:
    """The files that a ledger has and a listing lacks."""
    listed = {item.uri for item in listing.items}
    return [uri for uri in known if uri not in listed]
