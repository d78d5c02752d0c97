"""Events to sound: onsets on time, levels matched over videos, the floor stationary, the fall audible."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.world.laws import Event
from pipelines.world.look import Timbre, draw_timbre
from pipelines.world.synth import match_levels, synthesise

RATE = 16_000


def voice(**changed: float) -> Timbre:
    plain = dict(
        pitch_hz=400.0, stretch=1.0, slope=1.0, noisiness=0.3, cutoff_hz=5000.0, decay_s=0.09,
        floor=0.01, floor_tilt=0.0, gain=1.0,
    )  # fmt: skip
    return Timbre(**{**plain, **changed})


def train_of_hits(period_s: float) -> list[Event]:
    return [Event(float(t), 1.0) for t in np.arange(0.05, 10.0, period_s)]


def block_levels(sound: np.ndarray) -> np.ndarray:
    power = np.square(sound, dtype=np.float64).reshape(-1, RATE // 20).mean(axis=1)
    return 10 * np.log10(power)


def test_onsets_are_on_time_to_the_sample() -> None:
    sound = synthesise(train_of_hits(0.5), voice(), 10 * RATE, RATE, np.random.default_rng(0))
    for at in (0.55, 3.05, 6.55):
        first = round(at * RATE)
        before, after = sound[first - 160 : first], sound[first : first + 160]
        assert np.square(after).mean() > 100 * np.square(before).mean()


def test_busy_and_sparse_sounds_have_the_same_distribution_of_level() -> None:
    swells = [Event(float(t), 0.25, swell_s=0.9) for t in range(1, 11)]
    kinds = (train_of_hits(0.3), train_of_hits(1.1), train_of_hits(1.0) + swells)
    levels = [
        np.percentile(
            block_levels(synthesise(events, voice(), 10 * RATE, RATE, np.random.default_rng(1))),
            [5, 25, 50, 75, 95],
        )
        for events in kinds
    ]
    for other in levels[1:]:
        assert np.abs(other - levels[0]).max() < 1.5
    assert levels[0][-1] - levels[0][0] > 25


def test_matching_levels_keeps_their_order() -> None:
    t = np.arange(10 * RATE) / RATE
    envelope = np.exp(-(t % 0.7) / 0.1) * 10 ** (-0.5 * t / 10)
    matched = match_levels(envelope, RATE)
    order = np.argsort(envelope[::100])
    assert (np.diff(matched[::100][order]) >= -1e-7).all()


def test_floor_is_stationary_and_independent_of_the_hiss() -> None:
    # With no event in the middle, what is heard there is the floor alone.
    events = [Event(0.1, 1.0), Event(9.9, 1.0)]
    voices = [voice(floor=f, noisiness=0.6) for f in (0.0, 1.0)]
    alone, both = (synthesise(events, v, 10 * RATE, RATE, np.random.default_rng(2)) for v in voices)
    floor = (both - alone).astype(np.float64)
    quarters = floor.reshape(4, -1).std(axis=1)
    assert quarters.max() / quarters.min() < 1.1
    loud = np.abs(alone) > np.abs(alone).mean()
    for part in (slice(0, RATE), slice(-RATE, None)):
        assert abs(np.corrcoef(floor[part][loud[part]], alone[part][loud[part]])[0, 1]) < 0.1


def test_level_and_brightness_fall_over_the_video() -> None:
    sound = synthesise(train_of_hits(0.5), voice(floor=1e-4), 10 * RATE, RATE, np.random.default_rng(3))
    halves = sound[RATE : 3 * RATE], sound[7 * RATE : 9 * RATE]
    peaks = [np.abs(half).max() for half in halves]
    assert 4 < 20 * np.log10(peaks[0] / peaks[1]) < 16
    spectra = [np.abs(np.fft.rfft(half)) ** 2 for half in halves]
    frequency = np.fft.rfftfreq(2 * RATE, 1 / RATE)
    centroids = [frequency @ power / power.sum() for power in spectra]
    assert centroids[1] < 0.75 * centroids[0]


@pytest.mark.parametrize("seed", range(5))
def test_any_voice_stays_in_range(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sound = synthesise(train_of_hits(0.4), draw_timbre(rng), 4 * RATE, RATE, rng)
    assert sound.shape == (4 * RATE,)
    assert sound.dtype == np.float32
    assert 0.01 < np.abs(sound).max() <= 1.0
    assert (np.abs(sound) == 1.0).mean() < 1e-4  # clipping would be a timbre of its own
