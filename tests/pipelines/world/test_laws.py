"""The laws of motion: physics, contacts, the common clock, and an arrow of time."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.world.laws import GRAVITY, LAWS, Motion, Stage, bouncing_ball, clacking_pucks, kicked_puck

DURATION_S = 10.0
FINE_HZ = 1000
# Where a hit changes the velocity (or the size) of the mover at once; the other two sound at instants of a
# smooth motion: a spring at the ends of its swings, a wheel at every sixth of a turn.
IMPACTS = sorted(set(LAWS) - {"PluckedSpring", "CoastingWheel"})


def perform(label: str, seed: int, rate_hz: float = FINE_HZ) -> tuple[np.ndarray, Motion]:
    times = np.arange(int(DURATION_S * rate_hz)) / rate_hz
    stage = Stage(times, np.full(len(times), 0.12), DURATION_S, np.random.default_rng(seed))
    return times, LAWS[label](stage)


def test_a_thrown_ball_obeys_gravity_and_knocks_when_it_is_down() -> None:
    times = np.arange(10_000) / FINE_HZ
    stage = Stage(times, np.full(len(times), 0.12), DURATION_S, np.random.default_rng(3))
    motion = bouncing_ball(stage)
    height = -motion.offsets[0, :, 1]
    acceleration = np.diff(height, 2) * FINE_HZ**2
    flying = (height[:-2] > 0.01) & (height[1:-1] > 0.01) & (height[2:] > 0.01)
    assert np.median(acceleration[flying]) == pytest.approx(-GRAVITY, rel=1e-3)
    knocks = np.array([e.time_s for e in motion.events if 0.05 < e.time_s < DURATION_S - 0.05])
    near = np.abs(times[:, None] - knocks).min(axis=1)
    down = (height[1:-1] <= height[:-2]) & (height[1:-1] < height[2:])  # last instant of each contact
    assert near[1:-1][down & (times[1:-1] > 0.05) & (times[1:-1] < DURATION_S - 0.05)].max() < 2 / FINE_HZ


def test_friction_slows_a_kicked_puck_exponentially() -> None:
    times = np.arange(10_000) / FINE_HZ
    motion = kicked_puck(Stage(times, np.full(len(times), 0.12), DURATION_S, np.random.default_rng(4)))
    kick = next(e.time_s for e in motion.events if e.time_s > 2.0)
    speed = np.abs(np.diff(motion.offsets[0, :, 0]))
    first = int(np.ceil(kick * FINE_HZ))
    assert speed[first + 200] / speed[first] == pytest.approx(np.exp(-0.2 / 0.12), rel=0.01)
    assert speed[first] > 3 * speed[first - 2]


def test_pucks_touch_when_they_clack() -> None:
    times = np.arange(10_000) / FINE_HZ
    motion = clacking_pucks(Stage(times, np.full(len(times), 0.12), DURATION_S, np.random.default_rng(5)))
    apart = motion.offsets[0, :, 0] - motion.offsets[1, :, 0]
    clacks = [e.time_s for e in motion.events if e.strength == 1.0 and 0 < e.time_s < DURATION_S - 0.01]
    assert len(clacks) > 8
    for clack in clacks:
        assert apart[int(np.ceil(clack * FINE_HZ))] == pytest.approx(2 * 0.9 * 0.12, abs=0.01)


@pytest.mark.parametrize("label", IMPACTS)
def test_every_strong_hit_is_a_sudden_change_of_motion(label: str) -> None:
    _, motion = perform(label, 6)
    state = np.concatenate([*motion.offsets, motion.scale[:, None]], axis=1)  # (T, 2 K + 1)
    jerk = np.abs(np.diff(state, 2, axis=0)).sum(axis=1)
    hits = [
        e.time_s
        for e in motion.events
        if not e.swell_s and e.strength == 1.0 and 0.1 < e.time_s < DURATION_S - 0.1
    ]
    assert len(hits) >= 5
    usual = np.median(jerk)
    for hit in hits:
        at = round(hit * FINE_HZ)
        assert jerk[at - 3 : at + 3].max() > 5 * usual


@pytest.mark.parametrize("label", LAWS)
def test_movement_runs_down_by_the_common_clock(label: str) -> None:
    ratios = []
    for seed in range(6):
        times, motion = perform(label, seed, 50)
        state = np.concatenate([*motion.offsets, 0.3 * motion.scale[:, None]], axis=1)
        spread = [np.ptp(state[part], axis=0).max() for part in (times < 2.5, times >= 7.5)]
        ratios.append(spread[1] / spread[0])
    # 0.4 ** (7.5 / 10) = 0.50 is left between the two quarters (more where the hopper's size dominates).
    assert 0.3 < np.median(ratios) < 0.75


@pytest.mark.parametrize("label", LAWS)
def test_rates_vary_little(label: str) -> None:
    counts = [
        sum(e.strength == 1.0 and 0 <= e.time_s < DURATION_S for e in perform(label, seed, 16)[1].events)
        for seed in range(12)
    ]
    mean = np.mean(counts)
    assert 6 < mean < 30
    assert min(counts) > 0.75 * mean - 1
    assert max(counts) < 1.25 * mean + 1
