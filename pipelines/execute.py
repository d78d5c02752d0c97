"""The part of an ingest that runs on the cluster: decoding files, merging data files."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from chronav.cluster import connected, fitted_ray_data
from chronav.errors import JobError
from chronav.progress import Bar, Rate
from pipelines import compact, duplicates
from pipelines.batches import Batches
from pipelines.commit import ClipTable
from pipelines.config import IngestConfig
from pipelines.duplicates import Copies
from pipelines.hashing import SHORT, hash_task, make_hash_tasks, read_hashes
from pipelines.lease import Lease
from pipelines.plan import Plan, State
from pipelines.result import one_line
from pipelines.schema import Reason
from pipelines.sources.base import SourceItem
from pipelines.task import make_tasks, read_done, run_task
from pipelines.writer import Part

_RAISED = re.compile(r"^(?!ray\.)[A-Za-z_][\w.]*: .+$", re.MULTILINE)
_TASKS_AT_ONCE = 2000
# Tasks that run or wait on the cluster: enough that no CPU is idle until the driver has seen that a task has ended.
# Ray may take those that come later first: more would hold back the commits, which are in order.
_TASKS_A_CPU = 4
_PATIENCE_S = 300.0  # that a batch waits for those before it: as long as most files may take
_LOOKED_AFTER_S = 15.0
_RETRIES = 8  # of a task whose worker or node is lost; without it Ray Data tries for ever
_HASHES_A_TASK = 16  # files that a task only hashes, at least
_HASH_TASKS = 256  # such tasks, at most


def decode_all(plan: Plan, state: State, config: IngestConfig, batches: Batches, lease: Lease) -> None:
    """Decode what the plan says on the cluster, and commit batch by batch."""
    with connected():
        todo = plan.todo
        if config.duplicates == "reject":
            copies = _find_copies(plan, state, config, batches.table.path)
            lease.check()
            batches.leave_out(copies)
            todo = [item for item in todo if item.uri not in copies]
        if todo:
            batches.load_signatures()
            _decode(todo, _known_hashes(plan, state), config, batches, lease)
    batches.finish()


def _decode(
    todo: list[SourceItem],
    known_sha256: Mapping[str, str | None],
    config: IngestConfig,
    batches: Batches,
    lease: Lease,
) -> None:
    files, media = 0, Rate()
    with Bar("ingest", len(todo), "files") as bar:
        tasks = make_tasks(todo, known_sha256, config.files_per_task, config.files_per_commit, _cpus())
        batches.expect(tasks)
        work = partial(run_task, table=batches.table.path, config=config)
        for row in _salvaged(_run(tasks, work, batches.table.path), batches, lease):
            done = read_done(row)
            lease.check()
            batches.take(done)
            files += len(done.rows) + len(done.touched)
            bar.update(files, _note(media.of(batches.media_s), batches.reasons))


def _salvaged(answers: Iterator[dict[str, Any]], batches: Batches, lease: Lease) -> Iterator[dict[str, Any]]:
    """The answers; where one is long in coming, or the job ends before the last, what is whole is committed."""
    over = threading.Event()
    failed: list[BaseException] = []

    def watch() -> None:
        try:
            while not over.wait(_LOOKED_AFTER_S):
                lease.check()
                batches.salvage(_PATIENCE_S)
        except BaseException as error:
            failed.append(error)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        for answer in answers:
            if failed:
                raise failed[0]
            yield answer
    except (JobError, KeyboardInterrupt):
        lease.check()
        batches.salvage()
        raise
    finally:
        over.set()
        watcher.join()
    if failed:
        raise failed[0]


def _find_copies(plan: Plan, state: State, config: IngestConfig, table: str) -> Copies:
    """Which of the files to decode have the content of others; those that may are read for it, and no others."""
    todo = plan.todo
    owners = duplicates.owners_of_size(todo, state.known, plan.dropped | state.lost)
    items = duplicates.suspects(todo, state.known, owners)
    if not items:
        return Copies()
    # Of what is in the table only hashes are known.
    in_table = {state.known[uri].size for uri in owners.values()}
    whole = [item.size <= SHORT or item.size in in_table for item in items]
    hashes = _hashes("compare", items, whole, config, table)
    rest = [item for item, all_ in zip(items, whole, strict=True) if not all_]
    equal = duplicates.alike(rest, hashes)
    fingerprinted = {item.uri for item in rest}
    sha256 = {uri: digest for uri, digest in hashes.items() if uri not in fingerprinted}
    if equal:
        sha256 |= _hashes("hash", equal, [True] * len(equal), config, table)
    return duplicates.find_copies(sha256, state.known, owners)


def _hashes(
    title: str, items: Sequence[SourceItem], whole: Sequence[bool], config: IngestConfig, table: str
) -> dict[str, str]:
    """Hashes of files, or fingerprints of those that are not read as a whole, by uri."""
    found: dict[str, str] = {}
    per_task = max(_HASHES_A_TASK, math.ceil(len(items) / _HASH_TASKS))
    tasks = make_hash_tasks(items, whole, per_task)
    with Bar(title, len(items), "files") as bar:
        for answer in _run(tasks, partial(hash_task, timeout_s=config.timeout_s), table):
            found |= read_hashes(answer)
            bar.update(len(found))
    return found


def merge_all(groups: Sequence[list[Part]], table: ClipTable, lease: Lease) -> None:
    """Merge groups of data files on the cluster, a commit each."""
    work = partial(compact.merge_task, table=table.path)
    with connected(), Bar("compact", len(groups), "files") as bar:
        for done, answer in enumerate(
            _run([compact.as_task(group) for group in groups], work, table.path), 1
        ):
            lease.check()
            compact.commit_merged(table, answer)
            bar.update(done)


def _known_hashes(plan: Plan, state: State) -> dict[str, str | None]:
    """Of files that may be as they were, the content with which they would be, by uri."""
    rows = {item.uri: state.known.get(item.uri) for item in plan.changed if item.uri not in plan.again}
    return {uri: row.sha256 for uri, row in rows.items() if row and row.reason != Reason.DUPLICATE}


def _note(media_hours: float | None, reasons: Mapping[str, int]) -> str:
    """What a progress line says beside the files: media-seconds a second are media-hours an hour."""
    rate = [] if media_hours is None else [f"{media_hours:.1f} media-hours/h"]
    return ", ".join([*rate, *(f"{code} {count}" for code, count in sorted(reasons.items()))])


def _cpus() -> int:
    """How many tasks the cluster runs at a time."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def _run(
    tasks: Sequence[dict[str, str]], work: Callable[[dict[str, str]], dict[str, str]], table: str
) -> Iterator[dict[str, Any]]:
    """Run the tasks with Ray Data over all nodes; their answers as they come.

    Some thousands at a time: Ray Data puts all that it is given into its store before it begins, and keeps it.
    """
    import ray.data
    from ray.exceptions import RayError

    try:
        for start in range(0, len(tasks), _TASKS_AT_ONCE):
            some = list(tasks[start : start + _TASKS_AT_ONCE])
            with fitted_ray_data():
                items = ray.data.from_items(some, override_num_blocks=len(some))
                pool = ray.data.TaskPoolStrategy(size=min(len(some), _TASKS_A_CPU * _cpus()))
                answers = items.map(work, compute=pool, ray_remote_args_fn=_remote_args)
            yield from answers.iter_rows()
    except RayError as error:
        raise JobError(f"ingest stopped: {_raised(error)}", code="ray", path=table) from error


def _remote_args() -> dict[str, Any]:
    return {"max_retries": _RETRIES}


def _raised(error: BaseException) -> str:
    """What a task raised, as one line: Ray's own text is the whole trace of the worker's stack."""
    found = _RAISED.search(str(error))
    return " ".join(found[0].split())[:500] if found else one_line(error)
