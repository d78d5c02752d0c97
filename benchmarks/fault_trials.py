"""Ingests that are killed: the trials of `benchmarks.verify_faults`, the ways to kill, and what a table holds."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks import decode_log
from chronav.progress import say
from pipelines.schema import CLIP_SCHEMA, LEDGER_SCHEMA, ledger_path
from pipelines.table import open_table, read_meta, read_row_group, row_groups

FILES, FILES_PER_COMMIT, FILES_PER_TASK = 200, 10, 2
COMMITS = FILES // FILES_PER_COMMIT
_LIMIT_S = 240.0  # for any one call
# What differs from call to call: when, in which batch, how long it took.
_CIRCUMSTANCES = frozenset({"batch_id", "ingested_at", "seconds"})
Kill = Callable[[psutil.Process, Path], None]
Digests = dict[str, str]


@dataclass(frozen=True)
class Snapshot:
    """A table at one moment: its last commit, and of each file that has clips the batch that they are in."""

    commit: int
    batches: Mapping[str, str]


@dataclass
class Trial:
    """One ingest that was killed, and how it went on.

    `alone`: the job came to its end without a second call. `decoded`: in the call that came to the end.
    `phase`: how long after a commit the kill was meant to come, as a share of the time from commit to commit.
    `again`: files committed before the kill that are in another batch at the end. `twice`: files of which two decodes
    or more have begun; `twice_of_kept`: those of them that were committed before the kill. `orphans`: part files that
    no log names.
    """

    kind: str
    phase: float
    at: Snapshot
    alone: bool
    decoded: int
    seconds: float
    clips: Digests
    ledger: Digests
    again: int
    twice: int
    twice_of_kept: int
    orphans: int


def start(source: Path, table: Path, cluster: str | None = None) -> subprocess.Popen[str]:
    """`chronav ingest` in a process of its own, on a Ray of its own or on the one at the address `cluster`.

    The decodes that begin are in `decode_log_of(table)`; a cluster has to be started with that in its environment.
    """
    sizes = [f"files_per_commit={FILES_PER_COMMIT}", f"files_per_task={FILES_PER_TASK}"]
    call = [
        sys.executable,
        "-m",
        "benchmarks.decode_log",
        "ingest",
        str(source),
        "--table",
        str(table),
        "--json",
        *sizes,
    ]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    environment[decode_log.LOG] = str(decode_log_of(table))
    if cluster is not None:
        environment["RAY_ADDRESS"] = cluster
    return subprocess.Popen(
        call, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def decode_log_of(table: Path) -> Path:
    """Where the decodes for a table are noted."""
    return table.with_name(f"{table.name}.decodes")


def pace(process: subprocess.Popen[str], table: Path) -> float:
    """Wait for a call; the seconds from commit to commit on average."""
    times: list[float] = []
    while process.poll() is None and len(times) < COMMITS:
        times += [time.monotonic()] * (commits(table) - len(times))
        time.sleep(0.01)
    if finish(process) is None or len(times) < COMMITS:
        raise SystemExit("the undisturbed run failed")
    return (times[-1] - times[0]) / (COMMITS - 1)


def finish(process: subprocess.Popen[str]) -> dict[str, Any] | None:
    """The outcome of a call; None where it ended in any other way than well."""
    output, _ = process.communicate(timeout=_LIMIT_S)
    return json.loads(output.strip().splitlines()[-1]) if process.returncode == 0 else None


def commits(table: Path) -> int:
    """How many batches the clip table has; version 0 is the empty one."""
    return max(0, len(list(table.glob("_delta_log/*.json"))) - 1)


def snapshot(table: Path) -> Snapshot:
    """What can be read now."""
    rows = read_meta(open_table(str(table)), ("source_uri", "batch_id"))
    return Snapshot(
        commits(table), dict(zip(rows["source_uri"].to_pylist(), rows["batch_id"].to_pylist(), strict=True))
    )


def kill_driver(process: psutil.Process, _: Path) -> None:
    """The driver alone; what it started ends by itself, or writes on for a while, which must do no harm."""
    process.kill()


def kill_worker(_: psutil.Process, table: Path) -> None:
    """A process that decodes for the driver's own Ray, and the one apart that it decodes in, amid a file."""
    _kill_tree(_worker(table))


def kill_raylet(_: psutil.Process, table: Path) -> None:
    """The raylet of a node where a file is being decoded; its workers end with it."""
    raylet = _worker(table).parent()
    assert raylet is not None and "raylet" in raylet.name(), raylet
    raylet.kill()


def _worker(table: Path) -> psutil.Process:
    """The Ray worker whose decoder has just been given a file."""
    log = decode_log_of(table)
    begun, _ = decode_log.latest(log)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        count, decoder = decode_log.latest(log)
        if count > begun:
            worker = psutil.Process(decoder).parent()
            assert worker is not None
            return worker
        time.sleep(0.001)
    raise SystemExit("there is no worker to kill: nothing is decoded any more")


def _kill_tree(root: psutil.Process) -> None:
    for member in [root, *root.children(recursive=True)]:
        member.kill()


def run_trial(
    kind: str,
    kill: Kill,
    source: Path,
    table: Path,
    moment: tuple[int, float],
    batch_s: float,
    cluster: str | None,
) -> Trial:
    """Ingest, kill, let it go on or run it again, and look.

    `moment`: how many commits are waited for, and which share of `batch_s` seconds from then on.
    """
    began = time.monotonic()
    process = start(source, table, cluster)
    family = psutil.Process(process.pid)
    while commits(table) < moment[0]:
        if process.poll() is not None:
            raise SystemExit(f"{kind}: ended before commit {moment[0]}")
        time.sleep(0.002)
    time.sleep(moment[1] * batch_s)
    left = family.children(recursive=True)
    before = snapshot(table)
    kill(family, table)
    outcome = None if kind == "driver" else finish(process)
    if kind == "driver":
        process.communicate()
        before = snapshot(table)  # nobody commits any more
    alone = outcome is not None
    if outcome is None:
        outcome = finish(start(source, table, cluster))
        if outcome is None:
            raise SystemExit(f"{kind} killed at commit {before.commit}: the second call failed")
    for member in left:
        if member.is_running():
            member.kill()
    say(f"{kind} killed at commit {before.commit} of {COMMITS}: {'by itself' if alone else 'second call'}")
    after = snapshot(table).batches
    twice = {uri for uri, count in decode_log.decodes(decode_log_of(table)).items() if count > 1}
    return Trial(
        kind, moment[1], before, alone, outcome["decoded"], time.monotonic() - began, clip_digests(table),
        ledger_digests(table),
        again=sum(after.get(uri) != batch for uri, batch in before.batches.items()),
        twice=len(twice), twice_of_kept=len(twice & before.batches.keys()), orphans=len(orphans(table)),
    )  # fmt: skip


def clip_digests(table: Path) -> Digests:
    """Of every clip the hash of all its columns, media included; raises `AssertionError` where one is there twice."""
    digests: Digests = {}
    names = [name for name in CLIP_SCHEMA.names if name not in _CIRCUMSTANCES]
    for group in row_groups(open_table(str(table))):
        for row in read_row_group(group, names).to_pylist():
            assert row["clip_id"] not in digests, row["clip_id"]
            digests[row["clip_id"]] = _digest(row)
    return digests


def ledger_digests(table: Path) -> Digests:
    """Of every file in the ledger the hash of its row."""
    names = tuple(name for name in LEDGER_SCHEMA.names if name not in _CIRCUMSTANCES)
    rows = read_meta(open_table(ledger_path(str(table))), names).to_pylist()
    assert len({row["source_uri"] for row in rows}) == len(rows)
    return {row["source_uri"]: _digest(row) for row in rows}


def _digest(row: Mapping[str, Any]) -> str:
    hashed = hashlib.sha256()
    for name, value in sorted(row.items()):
        parts = value if isinstance(value, list) else [value]
        for part in parts:
            hashed.update(part if isinstance(part, bytes) else repr(part).encode())
            hashed.update(b"\0")
        hashed.update(name.encode())
    return hashed.hexdigest()


def orphans(table: Path) -> list[str]:
    """Part files that the log has never named: merged ones it has."""
    named = set()
    for commit in table.glob("_delta_log/*.json"):
        actions = map(json.loads, commit.read_text().splitlines())
        named |= {action["add"]["path"] for action in actions if "add" in action}
    return sorted(path.name for path in table.glob("part-*.parquet") if path.name not in named)


@contextmanager
def two_nodes() -> Iterator[str]:
    """The address of a Ray with a head that runs no tasks and two nodes that do; all on this machine."""
    from ray.cluster_utils import Cluster

    # So that a lost node is noticed within seconds: what is looked at is what happens then.
    watch = {
        "health_check_period_ms": 500,
        "health_check_failure_threshold": 3,
        "health_check_timeout_ms": 2000,
    }
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": watch}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        yield cluster.address
    finally:
        cluster.shutdown()
