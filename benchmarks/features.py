"""Feature extraction beside the forward pass alone: `python -m benchmarks.features`.

All run in a process of their own, one thread, in turns. *Extraction*: row groups read, JPEGs decoded, clips cut and
embedded, as an actor of `chronav evaluate` does it. *Forward pass*: the same network on one batch of clips that is
made beforehand, with the memory kept as the actor keeps it, and as torch has it. Prints clips a CPU second and a
second on the clock; `--page` writes the page's section.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.contest import Contestant, Cost, Passes, costed
from benchmarks.media import Stored, write_clip_table
from benchmarks.rounds import PAGE, heading, interleave, markdown, ratios, spread, write_section
from chronav import load_export
from chronav.allocator import keep_freed_memory
from chronav.config import build
from evaluation.config import EvaluateConfig
from evaluation.embedder import ClipShape, clip_batches, embed_rows
from evaluation.features import plan_clips
from evaluation.items import read_videos
from pipelines.table import open_table, read_row_group
from trainer import recipes
from trainer.config import PretrainConfig
from trainer.encoders import build_video_encoder
from trainer.export import Export, ExportConfig, write_export
from trainer.model import AudioVisualModel

GOAL = 0.85
EXTRACTION, FORWARD, PLAIN = (
    "extraction",
    "floor: forward pass alone",
    "forward pass alone, freed memory not kept",
)
# What a recipe's table holds, and how many videos give some seconds of work.
SIZES = {
    "small": (Stored(height=128, width=170, sample_rate=16_000), 1, 4),
    "tiny": (Stored(height=40, width=54, sample_rate=8000), 48, 10),
}
_BATCH = EvaluateConfig().batch_size
_NOTES = """Median (range) of {rounds} rounds in turns; goal: at least {goal} of the floor. Random weights, CPU, one
thread. *Extraction*: row groups read, JPEGs decoded, clips cut, resized and embedded in batches of {batch}, as an
actor of `chronav evaluate` does it; Ray's own share (an actor's start, its results' way back) is not in it.
*Floor*: the same network on a clip batch of its input size, in a process that keeps freed memory as the actor does;
*not kept*: in one that returns it to the system, as torch has it. The floors resize nothing; the files were in the
page cache."""


@dataclass(frozen=True)
class Setup:
    """A table, an export that fits it, and clips a video."""

    table: str
    export: str
    clips: int


def prepare(folder: Path, recipe: str, stored: Stored, videos: int, clips: int) -> Setup:
    """Make the table and an untrained export of the recipe."""
    table = str(folder / "clips.delta")
    write_clip_table(table, stored, videos)
    config = build(PretrainConfig, defaults=recipes.get(recipe))
    about = ExportConfig(
        video=config.video,
        audio=config.audio,
        norm=config.norm,
        fps=stored.fps,
        sample_rate=stored.sample_rate,
        short_side=min(stored.height, stored.width),
        recipe=recipe,
        steps=0,
        seed=0,
        tables=(),
    )
    write_export(str(folder / "export"), AudioVisualModel(config), about, {})
    return Setup(table, str(folder / "export"), clips)


@contextmanager
def extraction(setup: Setup) -> Iterator[Passes]:
    """Every pass embeds the whole table."""
    keep_freed_memory()
    export = load_export(setup.export)
    videos, groups = read_videos(open_table(setup.table))
    shape = _shape(export)
    plan = plan_clips(videos, range(len(videos)), shape, setup.clips)

    def passes() -> Iterator[np.ndarray]:
        for number, requests in plan.requests.items():
            rows = read_row_group(groups[number], ["frames"])
            yield embed_rows(rows, requests, shape, {"export": export}, _BATCH).vectors["export"]

    yield passes


@contextmanager
def forward(setup: Setup) -> Iterator[Passes]:
    """Every pass runs the network as often, on clips of its input size that are there already."""
    keep_freed_memory()
    with plain_forward(setup) as passes:
        yield passes


@contextmanager
def plain_forward(setup: Setup) -> Iterator[Passes]:
    """The same with memory as torch has it."""
    export = load_export(setup.export)
    videos, groups = read_videos(open_table(setup.table))
    shape = _shape(export)
    plan = plan_clips(videos, range(len(videos)), shape, setup.clips)
    rows = read_row_group(groups[0], ["frames"])
    batch, _ = next(clip_batches(rows, plan.requests[0], shape, _BATCH))
    side = export.config.size
    encoder = build_video_encoder(export.config.video, export.config.norm).eval()
    pictures = torch.from_numpy(batch[:, :, :side, :side].copy()).permute(0, 4, 1, 2, 3).float() / 255

    def passes() -> Iterator[np.ndarray]:
        for done in range(0, plan.clips, _BATCH):
            with torch.inference_mode():
                yield encoder(pictures[: min(_BATCH, plan.clips - done)]).numpy()

    yield passes


def _shape(export: Export) -> ClipShape:
    return ClipShape("video", export.config.n_frames, 1, export.config.sample_rate)


def compare(setup: Setup, rounds: int) -> dict[str, list[Cost]]:
    """All contestants, in turns."""
    openers = {FORWARD: forward, PLAIN: plain_forward, EXTRACTION: extraction}
    with ExitStack() as stack:
        started = {
            name: stack.enter_context(Contestant(partial(costed, opener), setup)).run
            for name, opener in openers.items()
        }
        return interleave(started, rounds)


def per_cpu_second(costs: Sequence[Cost]) -> list[float]:
    """Clips a CPU second of each round."""
    return [cost.samples / cost.cpu_s for cost in costs]


def table_of(costs: Mapping[str, Sequence[Cost]]) -> str:
    """The table of one size; the ratio is to the floor, round by round."""
    floor = per_cpu_second(costs[FORWARD])
    rows = [
        [
            name,
            spread(per_cpu_second(mine), 2),
            spread(ratios(per_cpu_second(mine), floor), 2),
            spread([cost.samples / cost.wall_s for cost in mine], 2),
        ]
        for name, mine in costs.items()
    ]
    return markdown(["what", "clips a CPU second", "to the floor", "clips/s on the clock"], rows)


def verdict_of(costs: Mapping[str, Sequence[Cost]]) -> str:
    """The ratio to the floor, and whether the goal is met."""
    ratio = statistics.median(ratios(per_cpu_second(costs[EXTRACTION]), per_cpu_second(costs[FORWARD])))
    return f"{ratio:.2f} of the forward pass alone (goal {GOAL}: {'met' if ratio >= GOAL else 'not met'})"


def section(tables: Mapping[str, str], verdicts: Sequence[str], rounds: int) -> str:
    """The section of the page."""
    parts = [
        heading("Feature extraction", "python -m benchmarks.features --page"),
        _NOTES.format(rounds=rounds, goal=GOAL, batch=_BATCH),
    ]
    for (recipe, table), verdict in zip(tables.items(), verdicts, strict=True):
        parts += [f"### Recipe `{recipe}`: {verdict}", table]
    return "\n\n".join(parts)


def main() -> None:
    """Run, print, and write the page's section where `--page` is given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--page", nargs="?", const=PAGE, help=f"write the section of this page ({PAGE})")
    given = parser.parse_args()
    tables, verdicts = {}, []
    for recipe, (stored, videos, clips) in SIZES.items():
        with tempfile.TemporaryDirectory(prefix="chronav-features-") as folder:
            print(f"recipe {recipe}: {videos} videos, {clips} clips each", flush=True)
            costs = compare(prepare(Path(folder), recipe, stored, videos, clips), given.rounds)
        tables[recipe] = table_of(costs)
        verdicts.append(verdict_of(costs))
        print(f"\n{tables[recipe]}\n\n{verdicts[-1]}\n", flush=True)
    if given.page:
        write_section(given.page, "features", section(tables, verdicts, given.rounds))


if __name__ == "__main__":
    main()
