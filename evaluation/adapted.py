"""What had to be made fit before it could be measured, in words: no number is silent about it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from evaluation.embedder import Modality
from evaluation.protocols.base import Found
from evaluation.protocols.frozen import SUPERVISED
from evaluation.who import AGAINST, PRETRAINED, in_words
from pipelines.table import open_table, read_meta

if TYPE_CHECKING:
    from evaluation.bench import Bench

_FILLED: dict[Modality, str] = {"video": "pictures are looped", "audio": "sound is padded with silence"}


def adaptations(bench: Bench, found: Found) -> list[str]:
    """Notes on what the contenders were shown in place of what they are made for."""
    return _short(bench) + _enlarged(bench, found)


def _short(bench: Bench) -> list[str]:
    return [
        f"{count} clips are longer than the segment that they are cut from: their {_FILLED[modality]}."
        for modality, count in bench.short.items()
        if count
    ]


def _enlarged(bench: Bench, found: Found) -> list[str]:
    """Where the smallest pictures have fewer pixels than a contender looks at; its twins look at the same."""
    if "video" not in bench.task.method.modalities or not found:
        return []
    sizes = {
        who: side.first.config.size
        for who, side in zip((PRETRAINED, AGAINST), bench.task.sides, strict=False)
    }
    if SUPERVISED in found:
        from evaluation.supervised import SIZE

        sizes[SUPERVISED] = SIZE
    held = _smallest_side(bench)
    whose: dict[int, list[str]] = defaultdict(list)
    for who, size in sizes.items():
        if held is not None and held < size:
            whose[size].append(in_words(who))
    return [
        f"Pictures are enlarged from {held} to {size} px ({', '.join(names)})."
        for size, names in sorted(whose.items())
    ]


def _smallest_side(bench: Bench) -> int | None:
    """The shorter side of the smallest pictures that are looked at, in pixels; None where the table does not say."""
    subject = bench.subject
    used = {subject.videos[i].video_id for i in subject.used}
    meta = read_meta(open_table(subject.table.path), ("video_id", "n_frames", "height", "width")).to_pylist()
    sides = [
        min(row["height"], row["width"])
        for row in meta
        if row["video_id"] in used and row["n_frames"] and row["height"] and row["width"]
    ]
    return min(sides, default=None)
