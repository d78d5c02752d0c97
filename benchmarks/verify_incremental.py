"""Does an ingest do just what has changed? `make verify-incremental` writes docs/incremental-20k.md.

20,000 small distinct files are ingested; then again with nothing new, with one touched, one changed, one new, one
gone, with another config, and with `--prune`; `--rebuild` on a smaller table. Each call is a `chronav ingest` of its
own. Exit code 1 where a call does another work than its own, or the second one takes too long.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.rounds import markdown
from chronav import __version__
from pipelines.table import open_table, read_meta

FILES, SMALL, AGAIN = 20_000, 500, 3
GOAL_S = 5.0  # of a call with nothing to do, beyond what Ray takes to start
_RATE, _SECONDS = 8000, 0.5
_SIZES = ("files_per_task=32", "files_per_commit=512")
_RAY = """
import logging, os
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray
ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
"""


@dataclass(frozen=True)
class Call:
    """What a call said and what it took."""

    code: int
    outcome: dict[str, Any]
    wall_s: float
    cpu_s: float


@dataclass(frozen=True)
class Step:
    """A call and what it is to do: keys of the outcome and their values."""

    what: str
    call: Call
    due: dict[str, Any] = field(default_factory=dict)
    code: int = 0

    @property
    def wrong(self) -> list[str]:
        """How the outcome differs from what is due."""
        found = {name: self.call.outcome.get(name) for name in self.due}
        wrong = [
            f"{name} is {found[name]}, not {value}"
            for name, value in self.due.items()
            if found[name] != value
        ]
        return wrong + ([f"exit code {self.call.code}"] if self.call.code != self.code else [])


def write_sounds(folder: Path, numbers: range) -> list[Path]:
    """WAV files of half a second, each with a noise of its own, a thousand a folder."""
    paths = []
    for number in numbers:
        path = folder / f"{number // 1000:03d}" / f"{number:06d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(-9000, 9000, int(_RATE * _SECONDS), dtype=np.int16)
        soundfile.write(path, noise, _RATE)
        paths.append(path)
    return paths


def timed(command: Sequence[str]) -> tuple[int, str, float, float]:
    """Run a command: exit code, standard output, seconds, CPU seconds (its own and its ended children's)."""
    began, before = time.monotonic(), _cpu()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.returncode, done.stdout, time.monotonic() - began, _cpu() - before


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ingest(source: Path, table: Path, *options: str) -> Call:
    """One `chronav ingest`."""
    command = [sys.executable, "-m", "chronav.cli", "ingest", str(source), "--table", str(table), "--json"]
    code, output, wall_s, cpu_s = timed([*command, *_SIZES, *options])
    lines = output.strip().splitlines()
    return Call(code, json.loads(lines[-1]) if lines else {}, wall_s, cpu_s)


def steps(folder: Path, files: int) -> Iterator[Step]:
    """The calls on the large table."""
    source, table = folder / "media", folder / "table"
    paths = write_sounds(source, range(files))
    quiet = {"new": 0, "changed": 0, "removed": 0, "decoded": 0, "failed": 0}
    yield Step("all new", ingest(source, table), quiet | {"new": files, "decoded": files, "segments": files})
    for _ in range(AGAIN):
        yield Step("nothing new", ingest(source, table), quiet | {"unchanged": files, "segments": files})
    os.utime(paths[0], (0, 0))
    yield Step("one touched: its hash is compared", ingest(source, table), quiet | {"unchanged": files})
    paths[1].write_bytes(write_sounds(folder / "other", range(files, files + 1))[0].read_bytes())
    yield Step("one changed", ingest(source, table), quiet | {"changed": 1, "decoded": 1, "segments": files})
    write_sounds(source, range(files + 1, files + 2))
    yield Step("one added", ingest(source, table), quiet | {"new": 1, "decoded": 1, "segments": files + 1})
    paths[2].unlink()
    yield Step("one removed: reported", ingest(source, table), quiet | {"removed": 1, "segments": files + 1})
    pruned = {"removed": 1, "segments": files}
    yield Step("the same with `--prune`: dropped", ingest(source, table, "--prune"), quiet | pruned)
    version = open_table(str(table)).version()
    refused = ingest(source, table, "segment_s=5")
    assert open_table(str(table)).version() == version, "a refused call has written"
    named = {"key": refused.outcome.get("error", {}).get("key")}
    yield Step("another config: refused", Call(refused.code, named, refused.wall_s, refused.cpu_s),
               {"key": "segment_s"}, code=2)  # fmt: skip


def rebuild_step(folder: Path) -> Step:
    """`--rebuild` with another config, on a smaller table."""
    source, table = folder / "few", folder / "small"
    write_sounds(source, range(SMALL))
    before = ingest(source, table)
    assert before.outcome["segments"] == SMALL
    call = ingest(source, table, "segment_s=5", "--rebuild")
    hashes = read_meta(open_table(str(table)), ("config_hash", "source_uri"))
    assert len(set(hashes["config_hash"].to_pylist())) == 1, "rows of two configs"
    due = {"decoded": SMALL, "segments": SMALL, "rebuilt": True}
    return Step(f"another config with `--rebuild`, {SMALL} files", call, due)


def beyond_ray(found: Sequence[Step], ray: Sequence[float]) -> float:
    """Seconds that a call with nothing to do takes beyond Ray's start: medians."""
    return statistics.median(s.call.wall_s for s in found if s.what == "nothing new") - statistics.median(ray)


def page(found: Sequence[Step], ray: Sequence[float], files: int) -> str:
    """The page as Markdown."""
    first, beyond = found[0].call, beyond_ray(found, ray)
    rows = [
        [
            step.what,
            f"{step.call.wall_s:.1f}",
            f"{step.call.cpu_s:.1f}",
            str(step.call.outcome.get("decoded", "")),
            ", ".join(step.wrong) or "yes",
        ]
        for step in found
    ]
    rows.append(["`ray.init` alone", f"{statistics.median(ray):.1f}", "", "", ""])
    return f"""# Does an ingest do just what has changed?

Written by `make verify-incremental` (`benchmarks/verify_incremental.py`); do not edit by hand.

{date.today().isoformat()}, chronav {__version__}, {platform.machine()}, {os.cpu_count()} CPU cores (load \
{os.getloadavg()[1]:.1f} in the five minutes before the end), Python {platform.python_version()}. {files:,} distinct \
WAV files of half a second, {" ".join(_SIZES)}. The first call took {files / first.wall_s:.0f} files a second. With \
nothing new a call takes {beyond:+.1f} s beyond Ray's start (goal: at most {GOAL_S:g}); it starts no Ray itself.

{markdown(["call", "seconds", "CPU seconds", "files decoded", "just its own work"], rows)}

*CPU seconds*: of the command and those of its processes that it waited for. *Just its own work*: the counts of the \
outcome (new, changed, unchanged, removed, decoded, failed, segments) are what they must be.
"""


def main() -> int:
    """Run, print, write the page; the exit code says whether all is as it must be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--page", default="docs/incremental-20k.md")
    given = parser.parse_args()
    found: list[Step] = []
    with tempfile.TemporaryDirectory(prefix="chronav-incremental-") as name:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{name}/mlflow.db"
        for step in steps(Path(name), given.files):
            print(f"{step.what}: {step.call.wall_s:.1f} s {step.wrong or ''}", flush=True)
            found.append(step)
        ray = [timed([sys.executable, "-c", _RAY])[2] for _ in range(AGAIN)]
        found.append(rebuild_step(Path(name)))
    text = page(found, ray, given.files)
    Path(given.page).write_text(text)
    print(text)
    return 1 if any(step.wrong for step in found) or beyond_ray(found, ray) > GOAL_S else 0


if __name__ == "__main__":
    sys.exit(main())
