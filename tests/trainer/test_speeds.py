from __future__ import annotations

import itertools

import numpy as np
import pytest

from trainer.speeds import TARGET_PAIRS, Room, balance, feasible_speeds, joint_speeds

SPEEDS = (1, 2, 4, 8)


def slow_feasible(room: Room, speeds, target, grid=0.05) -> bool:
    """Whether all three orders fit, by trying centres on a fine grid."""
    v1, a1, v2, a2 = speeds
    centres = np.arange(0, room.video_end + grid / 2, grid)

    def allowed(video: float, audio: float) -> np.ndarray:
        ok = (centres >= video / 2 - 1e-9) & (centres <= room.video_end - video / 2 + 1e-9)
        return centres[
            ok
            & (centres >= room.audio_start + audio / 2 - 1e-9)
            & (centres <= room.audio_end - audio / 2 + 1e-9)
        ]

    one, two = allowed(v1, a1), allowed(v2, a2)
    if not (len(one) and len(two)):
        return False
    first, second = TARGET_PAIRS[target]
    half = ([v1, a1, v2, a2][first] + [v1, a1, v2, a2][second]) / 2
    slack = sum([room.frame_s, room.sample_s][axis % 2] / 2 for axis in (first, second))
    apart, together = half + slack - 1e-9, half - slack + 1e-9
    gap = two[None, :] - one[:, None]
    return bool((gap >= apart).any() and (gap <= -apart).any() and (abs(gap) <= together).any())


@pytest.mark.parametrize("target", range(4))
@pytest.mark.parametrize(
    "room", [Room(10.0, 0.0, 10.0), Room(6.0, 1.0, 5.0), Room(10.0, 0.0, 10.0, 0.2, 0.1)]
)
def test_feasible_speeds_against_brute_force(room, target):
    fast = feasible_speeds(room, SPEEDS, 1.0, 1.0, target)
    for at in itertools.product(range(4), repeat=4):
        assert fast[at] == slow_feasible(room, [SPEEDS[i] for i in at], target), at


def test_every_speed_is_as_likely_as_the_others_where_it_fits_at_all():
    joint = joint_speeds(Room(10.0, 0.0, 10.0), SPEEDS, 0.5, 0.5, target=0)
    assert joint is not None
    for axis in range(4):
        others = tuple(set(range(4)) - {axis})
        np.testing.assert_allclose(joint.probabilities.sum(axis=others), 0.25, atol=1e-6)
    assert joint.feasible == (4, 4, 4, 4)
    assert joint.largest == pytest.approx((0.25,) * 4)


def test_balancing_keeps_to_what_fits():
    fits = np.random.default_rng(0).random((4, 4, 4, 4)) < 0.5
    p = balance(fits)
    assert (p[~fits] == 0).all()
    np.testing.assert_allclose(p.sum(axis=(1, 2, 3)), 0.25, atol=1e-6)


def test_nothing_fits_a_room_that_is_too_short():
    assert joint_speeds(Room(0.9, 0.0, 0.9), SPEEDS, 1.0, 1.0, target=None) is None
    assert joint_speeds(Room(1.5, 0.0, 1.5), SPEEDS, 1.0, 1.0, target=0) is None


def test_tied_sound_takes_its_videos_speed():
    joint = joint_speeds(Room(10.0, 0.0, 10.0), SPEEDS, 0.5, 0.5, target=0, tied=True)
    assert joint is not None
    for v1, a1, v2, a2 in zip(*np.nonzero(joint.probabilities), strict=True):
        assert (v1, v2) == (a1, a2)
