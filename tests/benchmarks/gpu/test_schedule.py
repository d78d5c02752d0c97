from __future__ import annotations

import pytest

from benchmarks.gpu.schedule import LIMIT_S, allotment, parts


def play(
    minutes: float, share: float, late_s: float = 0.0, small: bool = False
) -> tuple[dict[str, float], float]:
    """Every part takes `share` of what it is given; the start of the check took `late_s`."""
    plan, elapsed, given = parts(minutes, small), late_s, {}
    for number, part in enumerate(plan):
        seconds = allotment(part, plan[number + 1 :], elapsed)
        given[part.name] = seconds
        if seconds >= part.least_s:
            elapsed += share * seconds
    return given, elapsed


@pytest.mark.parametrize("minutes", [0.5, 6.0, 7.0])
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("late_s", [0.0, 30.0, 600.0])
@pytest.mark.parametrize("small", [True, False])
def test_never_more_than_nine_minutes(minutes, share, late_s, small):
    _, elapsed = play(minutes, share, late_s, small)
    assert elapsed <= max(LIMIT_S, late_s)
    assert LIMIT_S == 9 * 60


def test_the_pre_training_gets_its_minutes_whatever_the_others_take():
    for share, small in ((0.1, False), (1.0, False), (1.0, True)):
        given, _ = play(6.0, share, 10.0, small)
        assert given["pretraining"] == pytest.approx(360.0)


def test_what_others_leave_goes_to_the_compiler():
    assert play(6.0, 0.1)[0]["compile"] > play(6.0, 0.5)[0]["compile"] > 0
    slow = play(6.0, 1.0)[0]
    assert slow["compile"] < next(p.least_s for p in parts(6.0) if p.name == "compile")  # so it is skipped
