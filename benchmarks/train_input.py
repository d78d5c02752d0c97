"""The training input beside webdataset and litdata: `python -m benchmarks.train_input`.

The same JPEG and FLAC bytes in three formats, the same windows of the same segments, one core. Prints samples a
CPU second (user and system time of the process and of all that it starts: DataLoader's workers, Ray's workers and
daemons, less what these take while nothing runs) and a second on the clock; `--page` writes the page's section.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.contest import Contestant, Cost, costed
from benchmarks.input_paths import FLOOR, IN_PROCESS, OURS, PATHS, Setup
from benchmarks.media import Stored, write_clip_table
from benchmarks.peer_files import write_litdata, write_webdataset
from benchmarks.rounds import PAGE, heading, interleave, markdown, ratios, spread, write_section
from chronav.config import build
from pipelines.table import open_table, row_groups
from trainer import recipes
from trainer.config import PretrainConfig

# What a recipe's table holds, and how many rows give every contestant some seconds of work.
SIZES = {
    "small": (Stored(height=128, width=170, sample_rate=16_000), 128),
    "tiny": (Stored(height=40, width=54, sample_rate=8000), 256),
}
_EPOCHS = 4
_NOTES = """Median (range) of {rounds} rounds in turns, each of {epochs} epochs. *CPU second*: user and system time
of the path's process and of all that it started, less what these take while nothing runs ({idle:.2f} CPU seconds a
second of Ray's daemons). All paths cut the same windows of the same generated segments (10 s, 16 fps, a JPEG of
quality 85 a frame, FLAC) with the trainer's `make_sample` and `collate`, in batches of 32. Training decodes in
other processes, so that the network does not wait: chronav's way to that is Ray Data, the peers' is a worker of
torch's DataLoader. In one process nothing travels, and nothing is decoded while the network computes. webdataset:
tar shards of 64 MiB, a row in three members, its JPEGs in one. litdata: chunks of 64 MiB, read in place. *One
worker*: in a process of torch's DataLoader. *Floor*: rows in memory, samples dropped, nothing collated. One lane:
as in one of the many windows of a large table, a row group is read once an epoch. The files were in the page
cache. The goal, at least as fast as the best peer, is asked of like beside like: of what decodes in another process,
as training runs do, and of what decodes in its own. Through Ray Data beside a peer in its own process the goal is
missed: that is what carrying decoded samples from process to process costs."""


def prepare(folder: Path, recipe: str, stored: Stored, rows: int, *overrides: str) -> Setup:
    """Make the content once and write it in all three formats."""
    table = str(folder / "clips.delta")
    write_clip_table(table, stored, rows)
    groups = row_groups(open_table(table))
    write_webdataset(folder / "webdataset", groups)
    write_litdata(folder / "litdata", groups)
    # One lane, as one of the many windows of a large table has it: there a row group is read once an epoch.
    config = build(
        PretrainConfig, overrides=["lanes=1", "batch_size=32", *overrides], defaults=recipes.get(recipe)
    )
    steps, rest = divmod(rows * config.samples_per_row * _EPOCHS, config.batch_size)
    assert not rest, "whole batches only"
    return Setup(
        table,
        str(folder / "webdataset"),
        str(folder / "litdata"),
        config.model_copy(update={"steps": steps}),
        stored.sample_rate,
        shuffle_rows=config.window_row_groups * rows // len(groups),
    )


def compare(setup: Setup, rounds: int) -> dict[str, list[Cost]]:
    """All contestants, in turns."""
    with ExitStack() as stack:
        runs = {}
        for name, opener in PATHS.items():
            print(f"  starting {name}", flush=True)
            runs[name] = stack.enter_context(Contestant(partial(costed, opener), setup)).run
        return interleave(runs, rounds)


def best_peer(costs: Mapping[str, Sequence[Cost]], kind: str = "") -> str:
    """The peer with the most samples a CPU second; `kind`: what its name ends with."""
    peers = [name for name in costs if name.startswith(("webdataset", "litdata")) and name.endswith(kind)]
    return max(peers, key=lambda name: statistics.median(per_cpu_second(costs[name])))


def per_cpu_second(costs: Sequence[Cost]) -> list[float]:
    """Samples a CPU second of each round."""
    return [cost.samples / cost.cpu_s for cost in costs]


def table_of(costs: Mapping[str, Sequence[Cost]]) -> str:
    """The table of one size; the ratio is to the best peer, round by round."""
    best = per_cpu_second(costs[best_peer(costs)])
    rows = [
        [
            name,
            spread(per_cpu_second(mine), 0),
            spread(ratios(per_cpu_second(mine), best), 2),
            spread([cost.samples / cost.wall_s for cost in mine], 0),
        ]
        for name, mine in costs.items()
    ]
    return markdown(["path", "samples a CPU second", "to the best peer", "samples/s on the clock"], rows)


def section(tables: Mapping[str, str], verdicts: Sequence[str], rounds: int, idle: float) -> str:
    """The page's section."""
    head = heading("Training input", "python -m benchmarks.train_input --page")
    notes = _NOTES.format(rounds=rounds, epochs=_EPOCHS, idle=idle)
    parts = [
        f"### Recipe `{name}`: {verdict}\n\n{tables[name]}"
        for name, verdict in zip(tables, verdicts, strict=True)
    ]
    return "\n\n".join([head, notes, *parts])


def verdict_of(costs: Mapping[str, Sequence[Cost]]) -> str:
    """One line: what this size shows, like beside like first."""

    def ratio(ours: str, theirs: str) -> str:
        return f"{statistics.median(ratios(per_cpu_second(costs[ours]), per_cpu_second(costs[theirs]))):.2f}"

    worker, inside = best_peer(costs, "worker"), best_peer(costs, "in process")
    return (
        f"decoding in another process {ratio(OURS, worker)} of {worker}; in one process "
        f"{ratio(IN_PROCESS, inside)} of {inside}; {OURS} {ratio(OURS, inside)} of {inside}, "
        f"{ratio(OURS, FLOOR)} of the floor"
    )


def main() -> None:
    """Run, print, and write the page's section where `--page` is given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--page", nargs="?", const=PAGE, help=f"write the section of this page ({PAGE})")
    given = parser.parse_args()
    tables, verdicts = {}, []
    for recipe, (stored, rows) in SIZES.items():
        with tempfile.TemporaryDirectory(prefix="chronav-input-") as folder:
            print(f"recipe {recipe}: making {rows} segments", flush=True)
            costs = compare(prepare(Path(folder), recipe, stored, rows), given.rounds)
        tables[recipe] = table_of(costs)
        verdicts.append(verdict_of(costs))
        print(f"\n{tables[recipe]}\n\n{verdicts[-1]}\n", flush=True)
    if given.page:
        write_section(given.page, "train_input", section(tables, verdicts, given.rounds, costs[OURS][0].idle))


if __name__ == "__main__":
    main()
