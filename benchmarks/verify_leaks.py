"""`make verify-leaks`: what the seven heads learn from media in which nothing tells the time.

A still picture with slight noise, and white noise, through three codecs at three frame rates and through the whole
ingest; the heads trained from scratch on them, longer than the tests do, and measured on held-out videos. Writes
docs/leaks.md. Exit code 1 where a head is above chance on lossless media: that leak is chronav's own. What a codec
gives away is reported.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from benchmarks.leaks import LIMIT, Case, Reading, leak_config, measure_all
from benchmarks.stationary import CODECS, FRAME_RATES, Stationary
from chronav import __version__
from chronav.cluster import connected
from chronav.progress import format_seconds
from trainer.config import HEADS, PretrainConfig

Readings = Mapping[tuple[str, float, bool], Mapping[str, Reading]]
"""By codec, frames per second, and whether the trainer has its guards."""

_NAMES = {
    "lossless": "lossless: FFV1, FLAC",
    "h264": "H.264 crf 23, GOP 250; AAC",
    "mpeg4": "MPEG-4 q 5, GOP 12; MP3",
}


def cases(videos: int, seed: int) -> dict[tuple[str, float, bool], Case]:
    """All codecs at all frame rates, and once without the guards."""
    keys = [(codec, fps, True) for codec in CODECS for fps in FRAME_RATES] + [("lossless", 12.5, False)]
    return {
        (codec, fps, guarded): Case(Stationary(videos, fps, codec, seed=100 * seed + i), guarded)
        for i, (codec, fps, guarded) in enumerate(keys)
    }


def rows(readings: Readings) -> list[str]:
    """Markdown: a row a case, a column a head; in bold what leaks."""
    lines = [
        f"| media | fps | {' | '.join(HEADS)} |",
        f"|---|---|{'---|' * len(HEADS)}",
    ]
    for (codec, fps, guarded), found in readings.items():
        name = _NAMES[codec] + ("" if guarded else "; guards off")
        lines.append(f"| {name} | {fps:g} | {' | '.join(_cell(found.get(head)) for head in HEADS)} |")
    return lines


def pooled(readings: Readings) -> list[str]:
    """A line for every head that leaks over the frame rates of a codec together, and in none of them alone."""
    lines = []
    for codec in _NAMES:
        for head in HEADS:
            each = [
                r[head]
                for (name, _, guarded), r in readings.items()
                if name == codec and guarded and head in r
            ]
            above = sum(r.value - r.guess for r in each) / max(math.hypot(*(r.error for r in each)), 1e-9)
            if above > LIMIT and not any(r.leaks for r in each):
                values = ", ".join(f"{r.value:.3f}" for r in each)
                lines.append(
                    f"- {_NAMES[codec]}, all frame rates together: `{head}` at {values}, {above:.0f} standard errors "
                    "above the guess."
                )
    return lines


def leaks(readings: Readings) -> list[str]:
    """A line for every head that leaks."""
    return [
        f"- {_NAMES[codec]}, {fps:g} fps{'' if guarded else ', guards off'}: `{head}` at {r.value:.3f}, "
        f"{100 * (r.value - r.chance):.1f} points above chance, {r.above:.0f} standard errors above the guess."
        for (codec, fps, guarded), found in readings.items()
        for head, r in found.items()
        if r.leaks
    ]


def own_leaks(readings: Readings) -> int:
    """Heads that leak on lossless media with all guards: leaks of chronav itself."""
    own = [found for (codec, _, guarded), found in readings.items() if codec == "lossless" and guarded]
    return sum(reading.leaks for found in own for reading in found.values())


def page(readings: Readings, config: PretrainConfig, videos: int, seconds: float) -> str:
    """The page as Markdown."""
    chance = next(found for found in readings.values() if len(found) == len(HEADS))
    lossless = own_leaks(readings)
    return "\n".join(
        [
            "# What gives the time away",
            "",
            "Written by `make verify-leaks` (`benchmarks/verify_leaks.py`); do not edit by hand.",
            "",
            f"{date.today().isoformat()}, chronav {__version__}, {platform.machine()}, Python "
            f"{platform.python_version()}, seed {config.seed}. Time: {format_seconds(seconds)}.",
            "",
            f"Media in which nothing tells the time: {videos} videos of 10 s a row, each a still picture with slight "
            "noise of its own in every frame, and white noise; through the whole ingest. On one half of the videos "
            f"the heads are trained from scratch ({config.steps} steps of {config.batch_size} samples, small "
            "networks, the temporal losses alone), on the other they are measured. Accuracy (in brackets what always "
            "answering the commonest class scores on the same items), its 95 % interval over "
            f"videos below it; **bold**: a leak, more than {LIMIT} standard errors above that guess. "
            f"Chance: {', '.join(f'{h} {chance[h].chance:.3f}' for h in HEADS)}. "
            f"n: {', '.join(f'{h} {chance[h].n}' for h in HEADS)}. "
            "Below 16 fps stored frames repeat, so that the speed of video is not asked for.",
            "",
            *rows(readings),
            "",
            "*Guards off*: sound keeps its level, and video speed is asked for although frames repeat: the leaks "
            "that these guards of the trainer stop, found by the same training. (A third guard, the valid range of "
            "sound, has nothing to do here: these media have sound throughout.)",
            "",
            "## Found",
            "",
            f"Lossless media, all guards on: {lossless or 'no'} head{'' if lossless == 1 else 's'} above chance. "
            "What codecs add is theirs, and reaches a model that is trained on such files:",
            "",
            *([*leaks(readings), *pooled(readings)] or ["- nothing."]),
            "",
        ]
    )


def _cell(reading: Reading | None) -> str:
    if reading is None:
        return "not asked"
    mark = "**" if reading.leaks else ""
    return f"{mark}{reading.value:.3f}{mark} ({reading.guess:.3f})<br>{reading.low:.3f} to {reading.high:.3f}"


def main() -> int:
    """Run, print, write the page; the exit code says whether lossless media leave every head at chance."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--videos", type=int, default=64, help="of each case; half of them are held out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page", default="docs/leaks.md")
    given = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chronav-leaks-") as folder:
        os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        with connected(min_cpus=4):
            readings = measure_all(cases(given.videos, given.seed), Path(folder), given.steps)
    text = page(readings, leak_config(given.steps, given.seed), given.videos, time.monotonic() - begun)
    Path(given.page).write_text(text)
    print(text)
    return 1 if own_leaks(readings) else 0


if __name__ == "__main__":
    sys.exit(main())
