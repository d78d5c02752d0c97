"""A few of the cases of `make verify-alignment`; and that its measure would find what is out of step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.alignment import MEAN_LIMIT_S, page, passes, run_case
from benchmarks.flash_beep import CASES, Errors
from pipelines.config import IngestConfig

CONFIG = IngestConfig(short_side=48)


@pytest.mark.parametrize(
    "name",
    [
        "picture starts 0.5 s after the sound",
        "sound starts 0.7 s after, Matroska",
        "edit list that hides the first frames",
        "variable frame rate, MP4",
        "interlaced",
        "two sounds, the second is the default",
        "MPEG-TS, MPEG-2, MP2",
    ],
)
def test_sound_and_frames_are_in_step(name: str, tmp_path: Path) -> None:
    errors = run_case(tmp_path, CASES[name], instants=60, seed=1, config=CONFIG)
    assert errors.largest_s <= errors.limit_s
    assert abs(errors.mean_s) <= MEAN_LIMIT_S


def test_a_shift_of_half_a_frame_would_be_found() -> None:
    rng = np.random.default_rng(0)
    sampled = rng.uniform(-0.02, 0.02, 120) + rng.uniform(-1 / 32, 1 / 32, 120)  # 25 fps stored at 16
    limit_s = (1 / 16 + 1 / 25) / 2
    assert passes(Errors(sampled, limit_s))
    assert not passes(Errors(sampled + 0.02, limit_s))
    assert not passes(Errors(np.append(sampled, 0.06), limit_s))
    assert "| off | 120 | " in page({"off": Errors(sampled + 0.02, limit_s)}, 0, CONFIG)
    assert "**no**" in page({"off": Errors(sampled + 0.02, limit_s)}, 0, CONFIG)
