"""Ingest beside its floor and its peers: `python -m benchmarks.ingest`.

The same files for all, in one run, in turns: CPU seconds (user and system time of the process and of all that it
starts) a second of media. `--video2dataset PYTHON`: a Python that has it (it pins an old torch, so it needs a virtual
environment of its own). `--page` writes the page's section.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.contest import Contestant, Cost, costed
from benchmarks.ingest_paths import FFMPEG_FLOOR, FLOOR, OURS, OURS_TASKS, PATHS, TWO, Files
from benchmarks.many_files import encode, tiny_bases, write_many
from benchmarks.rounds import PAGE, heading, interleave, markdown, ratios, spread, write_section
from pipelines.frames import stored_size
from pipelines.streams import read_media

GOAL, GOAL_TWO = 1.35, 1.8
ONE_FILE = "chronav ingest of one file"
MORE = "chronav ingest, each further file"
COUNTS = (100, 1000, 5000)
_BASES, _SECONDS = 6, 10.0
_REAL = os.environ.get("CHRONAV_TEST_DATA", "../shared/data")
_NOTES = """CPU seconds a second of media, median (range) of {rounds} rounds in turns; user and system time of a
path's process and of all that it started, less what Ray's daemons take while nothing runs. Generated: {files}
distinct files of 10 s, 25 frames/s, H.264 and AAC; UCF101: {real} real clips, all of the samples (320x240, MPEG-4),
{sounding} of them with sound (MP3). Stored: 16 frames/s, short side 128, JPEG of quality 85, FLAC of 16 kHz mono.
*Each further file*: what an ingest of all takes beyond one of a single file ({fixed:.1f} CPU seconds: MLflow,
table, overview), as a job's own cost does not grow with its files. *Tasks without Ray*: decoding in a process
apart, checks, scaling, JPEG, sound, FLAC, part files; no table. *floor: ffmpeg* starts a process a file. *ffmpeg*:
a process a file that does as much, into a JPEG file a frame. *read_videos* keeps every second frame as raw pixels,
no sound, and checks nothing. *video2dataset*: its own steps for pictures called directly, without sharding and
downloading; no sound, and it stores H.264.{absent} The files were in the page cache. The machine is shared: CPU
seconds tell more than the clock."""


@dataclass(frozen=True)
class Contest:
    """What one set of files gave."""

    title: str
    files: int
    media_s: float
    costs: Mapping[str, Sequence[Cost]]

    def per_media_s(self, name: str) -> list[float]:
        """CPU seconds a second of media, round by round."""
        if name == MORE:
            return [cost.cpu_s / self.media_s for cost in self.further(OURS)]
        return [cost.cpu_s / self.media_s for cost in self.costs[name]]

    def further(self, name: str) -> list[Cost]:
        """What all files take beyond a job of a single one, as if that one were free."""
        pairs = zip(self.costs[name], self.costs[ONE_FILE], strict=True)
        scale = self.files / max(self.files - 1, 1)
        return [
            Cost(self.files, (all_.cpu_s - one.cpu_s) * scale, (all_.wall_s - one.wall_s) * scale, all_.idle)
            for all_, one in pairs
        ]

    def to_floor(self, name: str) -> list[float]:
        """The same beside decord's floor."""
        return ratios(self.per_media_s(name), self.per_media_s(FLOOR))

    def rows(self) -> list[list[str]]:
        """The table: floors, ours, peers."""
        ours = [MORE if name == ONE_FILE else name for name in self.costs]
        return [
            [
                name,
                spread([1e3 * value for value in self.per_media_s(name)], 1),
                spread(self.to_floor(name), 2),
                spread([self.media_s / cost.wall_s for cost in self._costs(name)], 0),
            ]
            for name in ours
        ]

    def _costs(self, name: str) -> Sequence[Cost]:
        return self.further(OURS) if name == MORE else self.costs[name]

    def two_to_one(self) -> list[float]:
        """How many times faster on the clock two workers are, a job's own time left out."""
        one, two = self.further(OURS), self.further(TWO)
        return ratios([cost.wall_s for cost in one], [cost.wall_s for cost in two])


def measure_set(paths: Sequence[Path], title: str, rounds: int, video2dataset: str | None) -> Contest:
    """All contestants on one set of files."""
    first = read_media(str(paths[0]), 16_000).video
    assert first is not None
    width, height = stored_size(first, 128)
    files = Files(tuple(map(str, paths)), width, height, silent(paths), video2dataset)
    chosen = {name: opener for name, opener in PATHS.items() if video2dataset or "video2dataset" not in name}
    with ExitStack() as stack:
        runs = {}
        for name, opener in chosen.items():
            print(f"  starting {name}", flush=True)
            runs[name] = stack.enter_context(Contestant(partial(costed, opener), files)).run
        one = replace(files, paths=files.paths[:1])
        runs[ONE_FILE] = stack.enter_context(Contestant(partial(costed, PATHS[OURS]), one)).run
        costs = interleave(runs, rounds)
    return Contest(title, len(paths), sum(map(media_seconds, paths)), costs)


def silent(paths: Sequence[Path]) -> frozenset[str]:
    """The files without sound."""
    return frozenset(str(path) for path in paths if read_media(str(path), 16_000).sound is None)


def media_seconds(path: Path) -> float:
    """How long the video of a file plays."""
    video = read_media(str(path), 16_000).video
    return video.duration_s if video is not None else 0.0


def verdict(contest: Contest) -> str:
    """Two lines: ours beside the floor and the best peer, with what a job costs of itself and without."""
    peers = [
        name for name in contest.costs if name not in (FLOOR, FFMPEG_FLOOR, OURS, OURS_TASKS, TWO, ONE_FILE)
    ]
    best = min(peers, key=lambda name: statistics.median(contest.per_media_s(name)))
    all_in, beyond = (_beside(contest, name, best) for name in (OURS, MORE))
    clock = ratios(
        [cost.wall_s for cost in contest.costs[OURS]], [cost.wall_s for cost in contest.costs[TWO]]
    )
    return (
        f"All-in {all_in}; two workers {spread(clock, 2)} times one.\n"
        f"Without the job's own cost {beyond}; two workers {spread(contest.two_to_one(), 2)} times one "
        f"(goals: {GOAL} of the floor all-in, two workers {GOAL_TWO})."
    )


def _beside(contest: Contest, name: str, peer: str) -> str:
    floor = statistics.median(contest.to_floor(name))
    beside = statistics.median(ratios(contest.per_media_s(peer), contest.per_media_s(name)))
    goal = "reached" if floor <= GOAL else "missed"
    return f"{floor:.2f} of the floor ({goal}), {beside:.2f} times as fast as {peer}, the fastest peer"


def measure_counts(folder: Path, counts: Sequence[int]) -> dict[tuple[str, int], Cost]:
    """Jobs of one, of few and of many files, the last with two workers, too: by path and files."""
    bases = tiny_bases(folder / "bases")
    paths = list(map(str, write_many(folder / "tiny", bases, max(counts))))
    costs = {}
    for name, count in [*((OURS, count) for count in (1, *counts)), (TWO, max(counts))]:
        print(f"  {name}, {count} files", flush=True)
        with Contestant(partial(costed, PATHS[name]), Files(tuple(paths[:count]), 64, 48)) as contestant:
            costs[name, count] = contestant.run()
    return costs


def count_rows(costs: Mapping[tuple[str, int], Cost]) -> list[list[str]]:
    """Milliseconds of CPU a file, with and without what a job of one file takes. `costs`: by path and files."""
    alone = costs[OURS, 1]
    return [
        [
            name,
            f"{count:,}",
            f"{1e3 * cost.cpu_s / count:.1f}",
            f"{1e3 * (cost.cpu_s - alone.cpu_s) / (count - 1):.1f}",
            f"{count / cost.wall_s:.0f}",
            f"{(count - 1) / (cost.wall_s - alone.wall_s):.0f}",
        ]
        for (name, count), cost in costs.items()
        if count > 1
    ]


def flatness(costs: Mapping[tuple[str, int], Cost]) -> str:
    """One line: what a file costs in the largest job, beside that in the smallest. `costs`: by path and files."""
    counts = sorted(count for name, count in costs if name == OURS and count > 1)
    few, many = counts[0], counts[-1]
    all_in, beyond = (
        _per_file(costs, many, alone) / _per_file(costs, few, alone) for alone in (0.0, costs[OURS, 1].cpu_s)
    )
    return (
        f"From {few:,} to {many:,} files the CPU time a file becomes {all_in:.2f} times as much all-in, "
        f"{beyond:.2f} times without that of a job of one file (flat: 1)."
    )


def _per_file(costs: Mapping[tuple[str, int], Cost], count: int, alone_s: float) -> float:
    return (costs[OURS, count].cpu_s - alone_s) / (count - 1 if alone_s else count)


def section(contests: Sequence[Contest], costs: Mapping[tuple[str, int], Cost], notes: str) -> str:
    """The page's section."""
    head = heading("Ingest", "python -m benchmarks.ingest --page")
    header = ["path", "CPU ms a second of media", "to decord's floor", "media-seconds/s on the clock"]
    parts = [f"### {one.title}\n\n{verdict(one)}\n\n{markdown(header, one.rows())}" for one in contests]
    columns = [
        "path", "files", "CPU ms a file", "less those of a job of one", "files/s on the clock", "less a job of one",
    ]  # fmt: skip
    counts = markdown(columns, count_rows(costs))
    flat = f"### Few files and many: videos of 1 s, 64x48\n\n{flatness(costs)}\n\n{counts}"
    return "\n\n".join([head, notes, *parts, flat])


def main() -> None:
    """Run, print, and write the page's section where `--page` is given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=24, help="of each generated set")
    parser.add_argument("--counts", type=int, nargs="*", default=COUNTS, help="numbers of tiny files")
    parser.add_argument("--video2dataset", metavar="PYTHON", help="a Python that has video2dataset")
    parser.add_argument("--page", nargs="?", const=PAGE, help=f"write the section of this page ({PAGE})")
    given = parser.parse_args()
    real = sorted(Path(_REAL).resolve().glob("ucf101/**/*.avi"))
    contests = []
    with tempfile.TemporaryDirectory(prefix="chronav-bench-") as name:
        folder = Path(name)
        sets: dict[str, list[Path]] = {}
        for size in ("340x256", "640x360"):
            bases = [encode(folder / "base.mp4", size, 25, _SECONDS, 1.5 + 0.3 * n) for n in range(_BASES)]
            sets[f"Generated, {size}"] = write_many(folder / size, bases, given.files)
        if real:
            sets["UCF101"] = real
        for title, paths in sets.items():
            print(f"{title}: {len(paths)} files", flush=True)
            contests.append(measure_set(paths, title, given.rounds, given.video2dataset))
            print(f"{verdict(contests[-1])}\n{markdown([''] * 4, contests[-1].rows())}\n", flush=True)
        counted = measure_counts(folder, given.counts)
    fixed = statistics.median(cost.cpu_s for contest in contests for cost in contest.costs[ONE_FILE])
    absent = "" if given.video2dataset else " video2dataset was not there for this run."
    notes = _NOTES.format(
        rounds=given.rounds,
        files=given.files,
        real=len(real),
        sounding=len(real) - len(silent(real)),
        fixed=fixed,
        absent=absent,
    )
    text = section(contests, counted, notes)
    print(text)
    if given.page:
        write_section(given.page, "ingest", text)


if __name__ == "__main__":
    main()
