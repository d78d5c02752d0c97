"""Nothing but the content may tell: heads trained from scratch on stationary media stay at chance.

Heads trained on other data and merely tested on such media would miss leaks.
"""

from __future__ import annotations

import pytest

from benchmarks.leaks import Case, Reading, measure_all
from benchmarks.stationary import FRAME_RATES, Stationary
from trainer.config import HEADS

VIDEOS, STEPS = 64, 200
LIMIT = 4  # standard errors: less than one head in ten thousand is further off by chance alone
WORST_LEAK = 0.075  # of accuracy: a leak as large as this must exceed the limit
PLANTED = "planted"


@pytest.fixture(scope="module")
def readings(
    ray_local: None, tmp_path_factory: pytest.TempPathFactory
) -> dict[float | str, dict[str, Reading]]:
    """Of stationary media at three frame rates, and of media and a trainer with leaks planted."""
    cases: dict[float | str, Case] = {
        fps: Case(Stationary(VIDEOS, fps, seed=i)) for i, fps in enumerate(FRAME_RATES)
    }
    cases[PLANTED] = Case(Stationary(VIDEOS, FRAME_RATES[0], late_s=5.0, seed=9), guarded=False)
    return measure_all(cases, tmp_path_factory.mktemp("media"), STEPS)


@pytest.mark.parametrize("fps", FRAME_RATES)
def test_heads_trained_on_stationary_media_stay_at_chance(readings, fps):
    found = readings[fps]
    asked = set(HEADS) - ({"speed_v"} if fps < 16 else set())  # repeated frames betray speed 1: not asked
    assert set(found) == asked
    assert {head: reading.off for head, reading in found.items() if abs(reading.off) > LIMIT} == {}
    assert {h: reading.error for h, reading in found.items() if LIMIT * reading.error > WORST_LEAK} == {}


def test_the_same_training_finds_leaks_that_are_planted(readings):
    """Videos that begin black and silent, and a trainer without its guards: every head must notice."""
    found = readings[PLANTED]
    assert {head: found[head].off for head in HEADS if found[head].off < LIMIT} == {}
