"""What sources say of known files, brought up to date: of unchanged ones without decoding them again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from chronav.progress import Bar
from pipelines.commit import ClipTable
from pipelines.lease import Lease
from pipelines.ledger import Known
from pipelines.plan import Plan, outdated
from pipelines.rewrite import held_by
from pipelines.schema import ANNOTATION_COLUMNS
from pipelines.sources.base import SourceItem
from pipelines.table import read_meta
from pipelines.transaction import parts_of

_FILES_A_COMMIT = 1024  # at most: their hashes go into the log


def relabel(table: ClipTable, items: Sequence[SourceItem], run_id: str, lease: Lease) -> None:
    """Give table and ledger the annotations of `items`, files that both have, by many commits.

    The parts with their clips are written anew, one after the other. Raises `JobError` when another ingest is at the
    table.
    """
    if not items:
        return
    by_uri = {item.uri: item for item in items}
    done = 0
    with Bar("relabel", len(by_uri), "files") as bar:
        for uris in _batches(_by_part(table, sorted(by_uri)), table.config.files_per_commit):
            lease.check()
            table.relabel({uri: by_uri[uri] for uri in uris}, run_id)
            done += len(uris)
            bar.update(done)


def keeping(plan: Plan, known: Mapping[str, Known], clips: DeltaTable) -> Plan:
    """The plan of a source that says nothing of its files, with what the table says of those that it decodes again.

    The clips have it, so that files without any have lost it.
    """
    again = (*plan.changed, *plan.retried)
    wanted = {item.uri for item in again if item.uri in known and outdated(item, known[item.uri])}
    if plan.annotated or not wanted:
        return plan
    rows = read_meta(clips, ("source_uri", *ANNOTATION_COLUMNS))
    rows = rows.filter(pc.is_in(rows["source_uri"], pa.array(wanted, pa.string())))
    said = {row.pop("source_uri"): row for row in rows.to_pylist()}

    def kept(items: Sequence[SourceItem]) -> list[SourceItem]:
        return [
            replace(item, **{**said[item.uri], "splits": dict(said[item.uri]["splits"] or ())})
            if item.uri in said
            else item
            for item in items
        ]

    return replace(plan, changed=kept(plan.changed), retried=kept(plan.retried), kept=plan.kept + len(said))


def _by_part(table: ClipTable, uris: Sequence[str]) -> Iterator[list[str]]:
    """The files with clips in each part of the table, then those with none."""
    left = set(uris)
    for part in parts_of(table.clips):
        held = held_by(table.path, part, uris) & left
        left -= held
        yield sorted(held)
    yield sorted(left)


def _batches(groups: Iterable[Sequence[str]], enough: int) -> Iterator[list[str]]:
    """Whole groups together until they are `enough`: so that a part is written anew once, and not once a batch."""
    batch: list[str] = []
    for group in groups:
        rest = iter(group)
        while some := list(islice(rest, _FILES_A_COMMIT - len(batch))):
            batch += some
            if len(batch) == _FILES_A_COMMIT:
                yield batch
                batch = []
        if len(batch) >= enough:
            yield batch
            batch = []
    if batch:
        yield batch
