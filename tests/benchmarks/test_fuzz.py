"""A few dozen of the files of `make verify-fuzz`, with a fixed seed; and real files, where they are at hand."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.damaged import DAMAGES, FORMATS, make_good, read_original, wrong_frames
from benchmarks.fuzz import CONFIG, MARKED, RIGHT, UNTOLD, fuzz, fuzz_file, item_of, judge, page
from pipelines.decode import decode_file

TESTED = ("MP4, index first, H.264, AAC", "AVI, MPEG-4, MP3", "WebM, VP9, Opus")


def test_no_crash_no_hang_no_wrong_frame_unmarked(tmp_path: Path) -> None:
    outcomes = Counter(fuzz(tmp_path, {name: FORMATS[name] for name in TESTED}, files=36, seed=7))
    assert outcomes.total() == 36
    bad = {key: count for key, count in outcomes.items() if not key[2].startswith(("no clips", "clips"))}
    assert bad == {}
    assert sum(count for key, count in outcomes.items() if key[2] == MARKED) > 15
    text = page(outcomes, 7, 60.0)
    assert all(f"| {name} | 12 |" in text for name in TESTED)
    assert all(f"| {name} | 9 |" in text for name in DAMAGES)


def test_the_judge_sees_what_is_wrong(tmp_path: Path) -> None:
    suffix, options = FORMATS[TESTED[0]]
    good = make_good(tmp_path / f"good.{suffix}", options, zoom=3.0)
    other = make_good(tmp_path / f"other.{suffix}", options, zoom=0.5)
    original = read_original(good)
    assert (judge(good, original), judge(other, original)) == (RIGHT, UNTOLD)
    (row,) = decode_file(item_of(good), CONFIG).rows
    assert wrong_frames([row], original) == 0
    late = row | {"start_s": row["start_s"] + 1.0}
    assert wrong_frames([late], original) > 10


@pytest.mark.realdata
@pytest.mark.parametrize(
    "pair",
    [
        ("ucf101/videos/YoYo/v_YoYo_g03_c01.avi", "ucf101/videos/Punch"),
        ("kinetics/R6llTwEh07w.mp4", "kinetics"),
    ],
)
def test_real_files(pair: tuple[str, str], real_data: Path, tmp_path: Path) -> None:
    source, folder = real_data / pair[0], real_data / pair[1]
    other = next(path for path in sorted(folder.iterdir()) if path.suffix == source.suffix and path != source)
    good = tmp_path / f"good{source.suffix}"
    good.write_bytes(source.read_bytes())
    found = Counter(what for _, _, what in fuzz_file("real", good, other.read_bytes(), each=4, seed=1))
    assert found.total() == 16
    assert all(what.startswith(("no clips", "clips")) for what in found), found


def test_ways_to_damage_a_file_do(tmp_path: Path) -> None:
    good, other = np.random.default_rng(0).bytes(50_000), np.random.default_rng(1).bytes(50_000)
    for make in DAMAGES.values():
        damaged = [make(good, other, random.Random(seed)) for seed in range(20)]
        assert good not in damaged
        assert len(set(damaged)) == 20
