"""What had to be made fit before it could be measured, in words: no number is silent about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.embedder import Modality

if TYPE_CHECKING:
    from evaluation.bench import Bench

_FILLED: dict[Modality, str] = {"video": "pictures are looped", "audio": "sound is padded with silence"}


def adaptations(bench: Bench) -> list[str]:
    """Notes on what the contenders were shown in place of what they are made for."""
    return _short(bench)


def _short(bench: Bench) -> list[str]:
    return [
        f"{count} clips are longer than the segment that they are cut from: their {_FILLED[modality]}."
        for modality, count in bench.short.items()
        if count
    ]
