"""Does a worker that decodes on and on grow? `make verify-soak` writes docs/soak.md.

One decoder process, never replaced (an ingest replaces it after 1,000 files), and the process that asks it and
writes part files. The resident memory of both is noted along the way, and a line laid through it once the first
files are done. Exit code 1 where either may be growing by more than the limit.
"""

from __future__ import annotations

import argparse
import itertools
import math
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import psutil

from benchmarks.many_files import encode, numbered
from benchmarks.rounds import markdown
from chronav import __version__
from pipelines.config import IngestConfig
from pipelines.isolate import Isolated
from pipelines.result import FileResult
from pipelines.schema import Status
from pipelines.sources.base import SourceItem
from pipelines.writer import PartWriter

DECODES, WARM, EVERY = 3000, 500, 10
LIMIT_KIB = 2.0  # a decode: 2 MiB in the 1,000 after which an ingest replaces a decoder
_BLOCK = 5  # readings that are averaged before the line is laid: neighbours are not independent
_NORMAL_95 = 1.96
_A_PART = 8
_KINDS = ("H.264 and AAC", "MPEG-4 and MP3, AVI", "H.264 that breaks off", "sound alone")


@dataclass(frozen=True)
class Line:
    """A line through readings of memory: KiB a decode, and the half-width of its 95 % interval."""

    slope: float
    half: float

    @property
    def flat(self) -> bool:
        """Whether growth beyond the limit is excluded."""
        return self.slope + self.half <= LIMIT_KIB


def lay_line(decodes: Sequence[float], kib: Sequence[float]) -> Line:
    """Least squares through means of neighbouring readings: (n,), (n,), in order."""
    count = len(decodes) // _BLOCK
    x, y = (np.reshape(values[: count * _BLOCK], (count, _BLOCK)).mean(axis=1) for values in (decodes, kib))
    x = x - x.mean()
    spread = float((x**2).sum())
    slope = float((x * y).sum()) / spread
    rest = y - y.mean() - slope * x
    error = math.sqrt(float((rest**2).sum()) / (count - 2) / spread)
    return Line(slope, _NORMAL_95 * error)


def make_files(folder: Path) -> list[SourceItem]:
    """One of each kind."""
    size, fps, seconds = "340x256", 25, 1.0
    good = encode(folder / "a.mp4", size, fps, seconds, 2.0)
    encode(folder / "b.avi", size, fps, seconds, 2.2, "-c:v", "mpeg4", "-q:v", "4", "-c:a", "libmp3lame")
    start = encode(folder / "whole.mp4", size, fps, seconds, 2.4, "-movflags", "+faststart", "-g", "12")
    (folder / "whole.mp4").unlink()
    (folder / "c.mp4").write_bytes(start[: len(start) * 2 // 3])
    encode(folder / "d.mp4", size, fps, seconds, 2.6, "-vn")
    (folder / "a.mp4").write_bytes(numbered(good, 1))
    return [
        SourceItem(str(path), path.stat().st_size, 0.0, path.name, "folder")
        for path in sorted(folder.iterdir())
    ]


def soak(folder: Path, items: Sequence[SourceItem], decodes: int) -> Iterator[tuple[int, float, float]]:
    """Decode files in turn and write their clips; (decodes, KiB of the decoder, KiB of this process) now and then."""
    decoder = Isolated("pipelines.decode:decode_file", calls=decodes + 1)
    config, this = IngestConfig(), psutil.Process()
    turns = itertools.cycle(items)
    done = 0
    while done < decodes:
        with PartWriter(str(folder)) as writer:
            for item in itertools.islice(turns, _A_PART):
                result: FileResult = decoder.call(60.0, item, config)
                assert result.status == Status.OK, (item, result.reason, result.message)
                writer.add(result.rows)
                done += 1
        if writer.part is not None:
            (folder / writer.part.name).unlink()
        if done % EVERY < _A_PART:
            (child,) = this.children()
            yield done, child.memory_info().rss / 1024, this.memory_info().rss / 1024
    decoder.close()


def page(readings: Sequence[tuple[int, float, float]], lines: Mapping[str, Line], seconds: float) -> str:
    """The page as Markdown."""
    rows = []
    for column, (name, line) in enumerate(lines.items(), 1):
        at = {count: reading[column] / 1024 for reading in readings for count in [reading[0]]}
        shown = [f"{at[min(at, key=lambda n, m=mark: abs(n - m))]:.0f}" for mark in (WARM, readings[-1][0])]  # type: ignore[misc]
        peak = max(reading[column] for reading in readings) / 1024
        slope = f"{line.slope:+.2f} ({line.slope - line.half:+.2f} to {line.slope + line.half:+.2f})"
        rows.append([name, *shown, f"{peak:.0f}", slope, "yes" if line.flat else "**no**"])
    header = [
        "process", f"MiB after {WARM}", "MiB at the end", "MiB at most", "KiB a decode (95 %)",
        f"at most {LIMIT_KIB:g}",
    ]  # fmt: skip
    return f"""# Does a worker that decodes on and on grow?

Written by `make verify-soak` (`benchmarks/verify_soak.py`); do not edit by hand.

{date.today().isoformat()}, chronav {__version__}, {platform.machine()}, Python {platform.python_version()}. \
{readings[-1][0]} decodes by one process in {seconds:.0f} s, four files of 340x256 in turn: {"; ".join(_KINDS)}. \
Resident memory, and the slope of a line through it from decode {WARM} on.

{markdown(header, rows)}

*Decoder*: the process apart in which files are decoded; here it is never replaced, in an ingest after 1,000 files. \
*Task*: the process that asks it and writes part files, as the tasks of an ingest do.
"""


def main() -> int:
    """Run, print, write the page; the exit code says whether both processes stay flat."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--decodes", type=int, default=DECODES)
    parser.add_argument("--page", default="docs/soak.md")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chronav-soak-"))
    try:
        (folder / "media").mkdir()
        (folder / "parts").mkdir()
        began = time.monotonic()
        readings = list(soak(folder / "parts", make_files(folder / "media"), given.decodes))
        seconds = time.monotonic() - began
    finally:
        shutil.rmtree(folder)
    warm = [reading for reading in readings if reading[0] >= WARM]
    counts = [float(reading[0]) for reading in warm]
    lines = {
        name: lay_line(counts, [reading[column] for reading in warm])
        for column, name in enumerate(("decoder", "task"), 1)
    }
    text = page(readings, lines, seconds)
    Path(given.page).write_text(text)
    print(text)
    return 0 if all(line.flat for line in lines.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
