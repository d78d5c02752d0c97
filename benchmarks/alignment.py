"""Are stored sound and stored frames in step? `make verify-alignment` writes docs/alignment.md.

Flashes and beeps that begin together at random instants, in files made in every odd way that `benchmarks.flash_beep`
knows, through `decode_file` as an ingest calls it. Exit code 1 where a case misses a limit.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np

from benchmarks.flash_beep import CASES, Case, Errors, make, measure, random_instants
from benchmarks.rounds import markdown
from chronav import __version__
from pipelines.config import IngestConfig
from pipelines.decode import decode_file
from pipelines.sources.base import SourceItem

MEAN_LIMIT_S = 0.010


def run_case(folder: Path, case: Case, instants: int, seed: int, config: IngestConfig) -> Errors:
    """Make a file, decode it, compare. Raises `AssertionError` where not all its flashes and beeps are found."""
    path = make(folder / "case", case, random_instants(np.random.default_rng(seed), instants))
    result = decode_file(SourceItem(str(path), path.stat().st_size, 0.0, "case", "folder"), config)
    assert result.reason is None and result.rows, (result.reason, result.message)
    errors = measure(result.rows, case)
    # One that lies across the seam of two segments is not seen to begin.
    missing = instants - len(errors.seconds)
    assert missing <= len(result.rows), f"{missing} of {instants} flashes and beeps are not found"
    return errors


def passes(errors: Errors) -> bool:
    """Whether a case keeps both limits."""
    return errors.largest_s <= errors.limit_s and abs(errors.mean_s) <= MEAN_LIMIT_S


def page(results: Mapping[str, Errors], seed: int, config: IngestConfig) -> str:
    """The page as Markdown."""
    rows = [
        [
            name,
            str(len(errors.seconds)),
            f"{errors.largest_s * 1e3:.1f}",
            f"{errors.limit_s * 1e3:.1f}",
            f"{errors.mean_s * 1e3:+.1f}",
            "yes" if passes(errors) else "**no**",
        ]
        for name, errors in results.items()
    ]
    header = ["case", "instants", "largest error, ms", "its limit, ms", "mean error, ms", "kept"]
    return f"""# Are sound and frames in step?

Written by `make verify-alignment` (`benchmarks/alignment.py`); do not edit by hand.

{date.today().isoformat()}, chronav {__version__}, {platform.machine()}, Python {platform.python_version()}, seed
{seed}. Stored at {config.fps:g} fps and {config.sample_rate} Hz, in segments of {config.segment_s:g} s or so.

In every file a flash and a beep begin together at random instants: all frames whose time stamps lie from the instant
on are bright, and the beep begins at the instant itself. In what is stored the flash begins halfway between the last
dark frame and the first bright one. The error is by how much that is later than the beep. The source's frames and the
stored ones are both samples of time, so that one error can be half a stored frame plus half a source frame (of the
longest, where their lengths differ) without anything being out of step. The mean has no such excuse: its limit is
{MEAN_LIMIT_S * 1e3:g} ms.

{markdown(header, rows)}

Files that do not say what would have to be known are no case here: in AVI, MP3 sound is late by what its encoder and
its decoder take (25 ms with LAME at 44.1 kHz), and pictures with B-frames that are not packed are one frame late. In
MPEG program streams FFmpeg gives a frame in some hundred the time of its neighbour.
"""


def main() -> int:
    """Run, print, write the page; the exit code says whether all cases keep the limits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--instants", type=int, default=200, help="of each case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page", default="docs/alignment.md")
    given = parser.parse_args()
    config = IngestConfig()
    results = {}
    for number, (name, case) in enumerate(CASES.items()):
        with tempfile.TemporaryDirectory(prefix="chronav-alignment-") as folder:
            results[name] = run_case(Path(folder), case, given.instants, given.seed + number, config)
        found = results[name]
        print(
            f"{name}: largest {found.largest_s * 1e3:.1f} ms, mean {found.mean_s * 1e3:+.1f} ms", flush=True
        )
    Path(given.page).write_text(page(results, given.seed, config))
    return 0 if all(map(passes, results.values())) else 1


if __name__ == "__main__":
    sys.exit(main())
