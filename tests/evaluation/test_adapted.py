"""What contenders are shown in place of what they are made for is told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from chronav import load_export
from evaluation.adapted import adaptations
from evaluation.bench import Bench
from evaluation.config import EvaluateConfig
from evaluation.describe import Measurement
from evaluation.embedder import ClipShape
from evaluation.protocols import protocol_named
from evaluation.protocols.base import Measured
from evaluation.subject import prepare


def bench(table: str, export: str, rival: str | None = None, protocol: str = "linear") -> Bench:
    other = load_export(rival) if rival else None
    task = Measurement(protocol_named(protocol), load_export(export), EvaluateConfig(), rival=other)
    return Bench(task, prepare(table, task, None, None))


def test_pictures_smaller_than_a_contender_looks_at_are_told(
    colour_table: str, tiny_export: str, tmp_path: Path, kit: SimpleNamespace
) -> None:
    one = [Measured({})]
    measured = bench(colour_table, tiny_export)  # pictures of 40 x 32, an export of 32
    assert adaptations(measured, {"pretrained": one, "random_weights": one}) == []
    assert adaptations(measured, {"pretrained": one, "supervised": one}) == [
        "Pictures are enlarged from 32 to 112 px (supervised)."
    ]
    large = kit.make_export(tmp_path / "large", changes=("video.size=48",))
    found = {"pretrained": one, "against": one, "supervised": one}
    assert adaptations(bench(colour_table, large, large), found) == [
        "Pictures are enlarged from 32 to 48 px (pre-trained, against).",
        "Pictures are enlarged from 32 to 112 px (supervised).",
    ]
    assert adaptations(bench(colour_table, tiny_export, large), found)[0].endswith("48 px (against).")
    assert adaptations(bench(colour_table, large, protocol="audio"), {"pretrained": one}) == []
    assert adaptations(bench(colour_table, large), {}) == []  # nothing was measured


@pytest.mark.parametrize(("modality", "how"), [("video", "looped"), ("audio", "padded with silence")])
def test_clips_that_are_filled_up_are_told_with_how(
    colour_table: str, tiny_export: str, modality: str, how: str
) -> None:
    made = bench(colour_table, tiny_export)
    for count in (0, 7, 3):  # of several contenders the one with most
        made.count_short(ClipShape(modality, 8, 1, 16_000), count)  # type: ignore[arg-type]
    (note,) = adaptations(made, {})
    assert note.startswith("7 clips are longer than the segment") and how in note
