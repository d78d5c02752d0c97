"""What an ingest has to do: a listing held against what the table and its ledger have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pyarrow as pa

from pipelines.duplicates import freed
from pipelines.ledger import Known
from pipelines.options import Options
from pipelines.sources.base import SourceItem


@dataclass(frozen=True)
class State:
    """What table and ledger have.

    `known`: the ledger by source uri. `owners`: of every video that has clips, its id -> the uri of its file.
    `lost`: files of the ledger whose clips are not all in the table.
    """

    known: Mapping[str, Known] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()


def trusted(known: Mapping[str, Known]) -> State:
    """The state of a table that holds just the clips that its ledger says."""
    owners = {row.video_id: uri for uri, row in known.items() if row.clips and row.video_id is not None}
    return State(known, owners)


def examined(known: Mapping[str, Known], clips: pa.Table) -> State:
    """The state of a table whose ledger cannot be trusted: its rows' `video_id` and `source_uri` say what it holds.

    So it is where one of the two was deleted or brought back from a copy.
    """
    uris = clips["source_uri"].to_pylist()
    owners = dict(zip(clips["video_id"].to_pylist(), uris, strict=True))
    counts = Counter(uris)
    return State(known, owners, frozenset(uri for uri, row in known.items() if row.clips != counts[uri]))


@dataclass
class Plan:
    """What an ingest has to do with the files of a source, each under the id that it goes by.

    `retried`: unchanged files that are decoded again because they were asked for, or are `freed`: duplicates of what
    is not there any more. `remaining`: new files that are left for another call. `dropped`: those of `removed` whose
    clips and rows go. `duplicates`: files not to be opened, for another file has their id: uri -> uri of that one.
    `again`: files to decode even if their content is as it was. `relabelled`: unchanged files of which the source
    says something else than before; `kept`: how many there would be, had it `annotated` anything.
    """

    new: list[SourceItem] = field(default_factory=list)
    changed: list[SourceItem] = field(default_factory=list)
    retried: list[SourceItem] = field(default_factory=list)
    unchanged: int = 0
    remaining: int = 0
    removed: list[str] = field(default_factory=list)
    dropped: set[str] = field(default_factory=set)
    duplicates: dict[str, str] = field(default_factory=dict)
    freed: set[str] = field(default_factory=set)
    again: set[str] = field(default_factory=set)
    annotated: bool = True
    relabelled: list[SourceItem] = field(default_factory=list)
    kept: int = 0

    @property
    def items(self) -> Iterator[SourceItem]:
        """All files that something is done about."""
        yield from self.new
        yield from self.changed
        yield from self.retried

    @property
    def todo(self) -> list[SourceItem]:
        """The files to open, in the source's order."""
        return sorted((i for i in self.items if i.uri not in self.duplicates), key=lambda item: item.uri)


def compare(
    items: Iterable[SourceItem],
    state: State,
    lacks: Callable[[str], bool],
    options: Options = Options(),
    annotated: bool = True,
) -> Plan:
    """Hold a listing against a table; a file is unchanged if size and time are.

    `lacks`: tells which of the table's files are gone from this source. Its other rows come from other sources of
    the same table and are left alone. No file gets an id that another one has. `annotated`: whether the source says
    more of its files than their names; one that does not takes nothing from what is known of unchanged files.
    """
    plan = Plan(annotated=annotated)
    listed = {item.uri: item for item in items}
    there = dict.fromkeys((*state.known, *state.owners.values()))
    plan.removed = [uri for uri in there if uri not in listed and lacks(uri)]
    plan.dropped = set(plan.removed) if options.prune else set()
    plan.freed = freed(state.known, plan.dropped | state.lost) & listed.keys()
    plan.again |= plan.freed
    taken = {video_id: uri for video_id, uri in state.owners.items() if uri not in plan.dropped}
    for item in listed.values():
        work = _work(item, state, options, plan)
        if work is None:
            continue
        video_id = _claim(item, taken)
        if video_id is None:
            plan.duplicates[item.uri] = taken[item.video_id]
        work.append(replace(item, video_id=video_id or item.video_id))
    return plan


def _work(item: SourceItem, state: State, options: Options, plan: Plan) -> list[SourceItem] | None:
    """The list of `plan` that a file belongs to; None, and counted, where nothing is to be done with it."""
    row = state.known.get(item.uri)
    if row is None:
        if options.limit is None or len(plan.new) < options.limit:
            return plan.new
        plan.remaining += 1
        return None
    if item.uri in state.lost:
        plan.again.add(item.uri)
        return plan.changed
    if (row.size, row.mtime) != (item.size, item.mtime):
        return plan.changed
    if row.status in options.retry or row.reason in options.retry:
        plan.again.add(item.uri)
    if item.uri in plan.again:
        return plan.retried
    plan.unchanged += 1
    if outdated(item, row):
        if plan.annotated:
            plan.relabelled.append(item)
        else:
            plan.kept += 1
    return None


def outdated(item: SourceItem, row: Known) -> bool:
    """Whether a source says something else of a file than it did when its row was written."""
    return row.annotations_hash is not None and row.annotations_hash != item.annotations_hash()


def _claim(item: SourceItem, taken: dict[str, str]) -> str | None:
    """The id that a file goes by: the one that it has, else the first of its ids that is free, else None."""
    ids = [video_id for video_id in (item.video_id, item.spare_id) if video_id is not None]
    ids.sort(key=lambda video_id: taken.get(video_id) != item.uri)
    return next((video_id for video_id in ids if taken.setdefault(video_id, item.uri) == item.uri), None)


@dataclass(frozen=True)
class Action:
    """One thing that an ingest would do, or leave, and why."""

    uri: str
    action: str
    reason: str


def explain(plan: Plan, state: State, prune: bool) -> Iterator[Action]:
    """Every file that something would be done about, file by file."""
    for action, items in (("new", plan.new), ("changed", plan.changed), ("retried", plan.retried)):
        for item in items:
            reason = "what it is a copy of has gone" if item.uri in plan.freed else _why(item, state)
            if item.uri in plan.duplicates:
                reason += f"; not opened: the id {item.video_id} belongs to {plan.duplicates[item.uri]}"
            yield Action(item.uri, action, reason)
    for item in plan.relabelled:
        yield Action(item.uri, "relabelled", f"annotated otherwise before; {_said(item)} now")
    kept = "its clips and ledger row are dropped" if prune else "kept without --prune"
    for uri in plan.removed:
        yield Action(uri, "removed", f"not in the source any more; {kept}")


def _why(item: SourceItem, state: State) -> str:
    row = state.known.get(item.uri)
    if row is None:
        return "not in the ledger"
    if item.uri in state.lost:
        return "its clips are not in the table"
    if row.size != item.size:
        return f"{row.size} bytes before, {item.size} now"
    if row.mtime != item.mtime:
        return f"modified {_when(row.mtime)} before, {_when(item.mtime)} now"
    return f"{row.status} before: {row.reason}" if row.reason else f"{row.status} before"


def _said(item: SourceItem) -> str:
    values = {"dataset": item.dataset, "label": item.label, "group": item.group, **item.splits}
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)


def _when(mtime: float) -> str:
    return datetime.fromtimestamp(mtime, UTC).isoformat(timespec="milliseconds")
