from __future__ import annotations

import pytest

from benchmarks.gpu.clips import _in_order, _usable, choose, heldout_units, row_bytes, unit


def clip(name: str, size: int = 1000, label: str | None = None, group: str | None = None) -> dict:
    return {
        "clip_id": name,
        "video_id": name,
        "label": label,
        "group": group,
        "frames": [bytes(size)],
        "audio": b"",
    }


def test_data_sets_take_turns_and_what_no_longer_fits_is_passed_over():
    large, small = [clip("a", 5000), clip("b", 5000), clip("c", 50)], [clip("d"), clip("e")]
    room = sum(row_bytes(row) for row in (large[0], small[0], small[1], large[2]))
    chosen = choose([large, small], room)
    assert [row["clip_id"] for row in chosen] == ["a", "d", "e", "c"]
    assert choose([large, small], room - 1) != chosen


def test_classes_of_several_groups_come_first():
    lonely, twins = (
        clip("x", label="X"),
        [clip("y1", label="Y", group="g1"), clip("y2", label="Y", group="g1")],
    )
    shared = [clip("z1", label="Z", group="g2"), clip("z2", label="Z", group="g3")]
    ordered = _in_order([lonely, *twins, *shared])
    assert {row["clip_id"] for row in ordered[:2]} == {"z1", "z2"}
    assert len(ordered) == 5


def test_groups_are_held_out_whole():
    rows = [clip(f"v{i}", group=f"g{i // 2}") for i in range(20)]
    held = heldout_units(rows)
    assert len(held) == 2
    assert sum(unit(row) in held for row in rows) == 4
    assert heldout_units(rows[::-1]) == held
    assert len(heldout_units([clip("only")])) == 1


@pytest.mark.parametrize(
    ("changes", "usable"),
    [
        ({}, True),
        ({"n_frames": 0}, False),
        ({"audio": None}, False),
        ({"n_frames": 32}, False),
        ({"audio_valid_start_s": 1.0}, False),
    ],
)
def test_pictures_and_sound_must_last(changes, usable):
    row = {"n_frames": 48, "fps": 16.0, "audio": b"x", "audio_valid_start_s": 0.0, "audio_valid_end_s": 3.0}
    assert _usable(row | changes) is usable
