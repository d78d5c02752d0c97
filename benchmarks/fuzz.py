"""What becomes of damaged files? `make verify-fuzz` writes docs/fuzz.md.

Good files of common formats, their bytes flipped, overwritten, cut and spliced at random, through the decoding that
an ingest's tasks do, in its process of its own. What is kept is compared with the undamaged original. Exit code 1
where a decoder crashed or hung, or where a frame is wrong, the file not marked, and a decoder could have told.
"""

from __future__ import annotations

import argparse
import platform
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from benchmarks.damaged import (
    DAMAGES,
    FORMATS,
    Original,
    decoder_complains,
    make_good,
    read_original,
    wrong_frames,
)
from benchmarks.rounds import markdown
from chronav import __version__
from chronav.progress import format_seconds
from pipelines.config import IngestConfig
from pipelines.guarded import decode_guarded
from pipelines.schema import Reason
from pipelines.sources.base import SourceItem

CONFIG = IngestConfig(fps=12.5, short_side=96, sample_rate=8000, timeout_s=60.0)
CRASHED, HUNG, NOTHING = "crashed", "hung", "no clips"
MARKED, MARKED_WRONG = "clips, marked", "clips, marked, some frames wrong"
RIGHT = "clips, unmarked, all frames right"
TOLD, UNTOLD = "unmarked and wrong, a decoder tells", "unmarked and wrong, no decoder tells"
OUTCOMES = (NOTHING, MARKED, MARKED_WRONG, RIGHT, UNTOLD, TOLD, CRASHED, HUNG)
FAULTS = (TOLD, CRASHED, HUNG)

Outcome = tuple[str, str, str]
"""Of one damaged file: its format, its damage, and one of `OUTCOMES`."""


def fuzz(
    folder: Path, formats: Mapping[str, tuple[str, tuple[str, ...]]], files: int, seed: int
) -> Iterator[Outcome]:
    """Make about `files` damaged files, the same number of each format and each damage, and decode them."""
    each = -(-files // (len(formats) * len(DAMAGES)))
    for number, (name, (suffix, options)) in enumerate(formats.items()):
        good = make_good(folder / f"good{number}.{suffix}", options, zoom=3.0)
        other = make_good(folder / f"other{number}.{suffix}", options, zoom=0.5)
        yield from fuzz_file(name, good, other.read_bytes(), each, seed)


def fuzz_file(name: str, good: Path, other: bytes, each: int, seed: int) -> Iterator[Outcome]:
    """Damage one good file `each` times in each way; `other` is what is spliced into it."""
    original = read_original(good)
    content = good.read_bytes()
    path = good.with_stem("damaged")
    for damage, make in DAMAGES.items():
        for number in range(each):
            rng = random.Random(f"{seed} {name} {damage} {number}")
            path.write_bytes(make(content, other, rng))
            yield name, damage, judge(path, original)


def item_of(path: Path) -> SourceItem:
    """A file as a source lists it."""
    return SourceItem(str(path), path.stat().st_size, 0.0, path.stem, "folder")


def judge(path: Path, original: Original) -> str:
    """Decode a damaged file and say what became of it: one of `OUTCOMES`."""
    result = decode_guarded(item_of(path), CONFIG)
    if result.reason in (Reason.CRASHED_DECODER, Reason.TIMEOUT):
        return CRASHED if result.reason == Reason.CRASHED_DECODER else HUNG
    if not result.rows:
        return NOTHING
    wrong = wrong_frames(result.rows, original)
    if result.reason in (Reason.TRUNCATED, Reason.CORRUPT_FRAMES):  # one of the sound says nothing of frames
        return MARKED_WRONG if wrong else MARKED
    if not wrong:
        return RIGHT
    return TOLD if decoder_complains(path) else UNTOLD


def page(outcomes: Mapping[Outcome, int], seed: int, seconds: float) -> str:
    """The page as Markdown."""
    header = ["", "files", *OUTCOMES]
    total = sum(outcomes.values())
    tables = [
        markdown(
            header, [_row(name, outcomes, index) for name in dict.fromkeys(key[index] for key in outcomes)]
        )
        for index in (0, 1)
    ]
    faults = sum(count for key, count in outcomes.items() if key[2] in FAULTS)
    untold: Counter[str] = Counter()
    for key, count in outcomes.items():
        untold[key[0]] += count * (key[2] == UNTOLD)
    where = ", ".join(f"{name}: {count}" for name, count in (+untold).items()) or "none"
    return f"""# What becomes of damaged files

Written by `make verify-fuzz` (`benchmarks/fuzz.py`); do not edit by hand.

{date.today().isoformat()}, chronav {__version__}, {platform.machine()}, Python {platform.python_version()}.
Seed {seed}. Time: {format_seconds(seconds)}.

{total} files: good ones of several formats, 160x120, 4 s, a key frame every second, of which bits were flipped (1 to
64), a block was overwritten with zeros or noise (16 to 4,096 bytes), the end or a piece was cut out, or the rest or a
piece of another file was spliced in. Decoded as an ingest does, in its process of its own, with `keep_partial: true`.

- **Marked**: the ledger row says `truncated` or `corrupt_frames`; only what is believed to be whole has clips.
- **Wrong**: a stored frame differs from the undamaged original's at its time, and from those before and after that,
  by more than 24 of 255 grey levels in the mean of one of 8 x 8 cells.
- **No decoder tells**: FFmpeg's strictest decoding finds nothing wrong with the file either.

{tables[0]}

{tables[1]}

Faults (crashed, hung, or unmarked and wrong where a decoder tells): {faults}.
Unmarked and wrong where no decoder tells: {untold.total()} ({where}).

FFmpeg's H.265 decoder notices little of what happens within a packet, and there is no stricter one beside it, as
VP9 has in libvpx: flipped bits in H.265 can go unseen, and a few in H.264. Where H.265 carries hashes of its pictures
they are checked, but few encoders write them (x265 with `hash=1`). Parsing headers (`hevc_metadata`, `trace_headers`)
finds nothing of this. Decoding twice, once row by row in parallel, tells most of it where rows are coded apart
(x265's default); that is not done, for it would double the cost of every good file. Frames that are wrong in marked
files are mostly those of the other file, spliced in where one of its key frames begins.
"""


def _row(name: str, outcomes: Mapping[Outcome, int], index: int) -> list[str]:
    counts = Counter({key[2]: 0 for key in outcomes})
    for key, count in outcomes.items():
        if key[index] == name:
            counts[key[2]] += count
    return [name, str(counts.total()), *(str(counts[outcome]) for outcome in OUTCOMES)]


def main() -> int:
    """Run, print, write the page; the exit code says whether there are no faults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--page", default="docs/fuzz.md")
    given = parser.parse_args()
    begun = time.monotonic()
    outcomes: Counter[Outcome] = Counter()
    with tempfile.TemporaryDirectory(prefix="chronav-fuzz-") as folder:
        for outcome in fuzz(Path(folder), FORMATS, given.files, given.seed):
            outcomes[outcome] += 1
            if outcome[2] in FAULTS:
                print(": ".join(outcome), flush=True)
    text = page(outcomes, given.seed, time.monotonic() - begun)
    Path(given.page).write_text(text)
    print(text)
    return int(any(key[2] in FAULTS for key in outcomes))


if __name__ == "__main__":
    sys.exit(main())
