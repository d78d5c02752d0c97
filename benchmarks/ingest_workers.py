"""Two workers of an ingest beside one, on the clock: `python -m benchmarks.ingest_workers`.

Jobs long enough that starting is a small part of them; the files are those of benchmarks/ingest.py, 640x360.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.contest import Contestant, Cost, Opener, Passes, costed
from benchmarks.ingest_paths import OURS, PATHS, TWO, Files, items_of
from benchmarks.many_files import encode, write_many
from benchmarks.rounds import PAGE, heading, interleave, markdown, ratios, spread, write_section

_ALONE = 64  # files that tell how fast decoding alone is
_SIZE, _STORED, _FPS, _SECONDS, _BASES = "640x360", (228, 128), 25, 10, 4
GOAL = 1.8
LOOP, LOOPS = "decoding alone, one process", "decoding alone, two processes"
_NOTES = """{files} distinct files of {seconds} s, {size}, H.264 and AAC; each round is one job of each, in turns.
*Cores busy*: CPU seconds a second on the clock, of all processes of the job (driver, tasks, decoders). A worker is
a task and the process apart that decodes for it, and the driver lists, commits and makes the overview beside them:
where one worker keeps more than half of this machine's {cores} cores busy, two cannot be twice as fast. *Decoding
alone*: what a worker does with each file, called in a loop over {alone} of them in processes that have nothing to do
with one another, and nothing written; two of them are what this machine's cores give at best."""


def measure(folder: Path, files: int, rounds: int) -> dict[str, list[Cost]]:
    """One worker and two, in turns."""
    bases = [encode(folder / "base.mp4", _SIZE, _FPS, _SECONDS, 1.5 + 0.3 * n) for n in range(_BASES)]
    given = Files(tuple(map(str, write_many(folder / "media", bases, files))), *_STORED)
    paths: dict[str, Opener] = {
        OURS: PATHS[OURS],
        TWO: PATHS[TWO],
        LOOP: partial(_decoding_alone, 1),
        LOOPS: partial(_decoding_alone, 2),
    }
    with ExitStack() as stack:
        runs = {
            name: stack.enter_context(Contestant(partial(costed, path), given)).run
            for name, path in paths.items()
        }
        return interleave(runs, rounds)


@contextmanager
def _decoding_alone(processes: int, files: Files) -> Iterator[Passes]:
    paths = files.paths[:_ALONE]
    shares = [paths[number::processes] for number in range(processes)]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        yield lambda: pool.map(_decode, shares)


def _decode(paths: Sequence[str]) -> Sequence[str]:
    """In a process: decode files one after the other, as a worker's decoder does; their paths."""
    from pipelines.config import IngestConfig
    from pipelines.decode import decode_file

    for item in items_of(tuple(paths)):
        assert decode_file(item, IngestConfig()).rows, item.uri
    return paths


def section(costs: dict[str, list[Cost]], files: int, cores: int) -> str:
    """The page's section."""
    clock = {name: [cost.samples * _SECONDS / cost.wall_s for cost in of] for name, of in costs.items()}
    faster, at_best = ratios(clock[TWO], clock[OURS]), ratios(clock[LOOPS], clock[LOOP])
    rows = [
        [name, spread(clock[name], 0), spread([cost.cpu_s / cost.wall_s for cost in of], 2)]
        for name, of in costs.items()
    ]
    notes = _NOTES.format(files=files, seconds=_SECONDS, size=_SIZE, cores=cores, alone=min(files, _ALONE))
    head = heading(
        f"Ingest: two workers {spread(faster, 2)} times as fast as one (goal {GOAL}; "
        f"decoding alone {spread(at_best, 2)})",
        "python -m benchmarks.ingest_workers --page",
    )
    return f"{head}\n\n{notes}\n\n{markdown(['path', 'media-seconds/s on the clock', 'cores busy'], rows)}"


def main() -> None:
    """Run, print, and write the page's section where `--page` is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--files", type=int, default=320)
    parser.add_argument("--page", nargs="?", const=PAGE, help=f"write the section of this page ({PAGE})")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chronav-bench-") as name:
        costs = measure(Path(name), given.files, given.rounds)
    text = section(costs, given.files, len(os.sched_getaffinity(0)))
    print(text)
    if given.page:
        write_section(given.page, "ingest_workers", text)


if __name__ == "__main__":
    main()
