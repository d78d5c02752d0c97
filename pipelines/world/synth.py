"""Sound events to a waveform: one carrier a video (its timbre), shaped by the events' envelope."""

from __future__ import annotations

import numpy as np

from pipelines.world import clock
from pipelines.world.laws import Event
from pipelines.world.look import Timbre

_PARTIALS = 6
_TOP_HZ = 7000.0  # a log-mel front end may stop here; nothing is put above
_SWELL_DB = 16.0  # rise of a swell from its beginning to its cut


def synthesise(
    events: list[Event], timbre: Timbre, samples: int, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """The waveform (N,) float32, peak `timbre.peak`; sample 0 is the instant of frame 0."""
    duration = samples / sample_rate
    u = np.linspace(0.0, 1.0, samples, dtype=np.float32)
    envelope, glide = _envelope(events, timbre.decay_s, samples, sample_rate)
    hiss, floor = _noises(timbre, samples, sample_rate, u, rng)
    tone = _tone(timbre, glide, duration, samples, sample_rate)
    carrier = np.sqrt(1 - timbre.noisiness) * tone + np.sqrt(timbre.noisiness) * hiss
    sound = envelope * clock.level(u).astype(np.float32) * carrier + timbre.floor * floor
    return (timbre.peak / np.abs(sound).max() * sound).astype(np.float32)


def _envelope(
    events: list[Event], decay_s: float, samples: int, sample_rate: int
) -> tuple[np.ndarray, np.ndarray]:
    """Amplitude (N,) and glide in octaves (N,) of all events."""
    envelope = np.zeros(samples, np.float32)
    glide = np.zeros(samples, np.float32)
    tail = np.exp(-np.arange(int(8 * decay_s * sample_rate)) / (decay_s * sample_rate)).astype(np.float32)
    for event in events:
        at = round(event.time_s * sample_rate)
        if event.swell_s:
            length = round(event.swell_s * sample_rate)
            done = np.arange(length, dtype=np.float32) / length
            wave = 10.0 ** (_SWELL_DB * (done - 1) / 20.0)
            if event.rough_hz:
                wave *= 0.5 + 0.5 * np.sin(2 * np.pi * event.rough_hz * event.swell_s * done)
            first, last = max(at - length, 0), min(at, samples)
            part = slice(first - (at - length), max(last - (at - length), 0))
            if first < last:
                envelope[first:last] += event.strength * wave[part]
                glide[first:last] = event.octaves * done[part]
        else:
            first, last = max(at, 0), min(at + len(tail), samples)
            if first < last:
                envelope[first:last] += event.strength * tail[first - at : last - at]
    return envelope, glide


def _tone(timbre: Timbre, glide: np.ndarray, duration_s: float, samples: int, sample_rate: int) -> np.ndarray:
    """Harmonic or stretched partials that follow the common fall of pitch and cut-off; RMS about 1."""
    knots = np.linspace(0.0, 1.0, 64)
    u = np.linspace(0.0, 1.0, samples)
    pitch = timbre.pitch_hz * np.interp(u, knots, clock.pitch(knots)) * np.exp2(glide)  # (N,) Hz
    turns = np.cumsum(pitch) / sample_rate
    cutoff = np.interp(u, knots, timbre.cutoff_hz * clock.cutoff(knots))
    number = np.arange(1, _PARTIALS + 1)
    ratio, weight = number**timbre.stretch, number**-timbre.slope
    weight = weight * np.sqrt(2 / np.sum(weight**2))
    tone = np.zeros(samples, np.float32)
    for r, w in zip(ratio, weight, strict=True):
        frequency = r * pitch
        gain = w / (1 + (frequency / cutoff) ** 2) * (frequency < _TOP_HZ)
        phase = ((r * turns) % 1.0).astype(np.float32)
        tone += gain.astype(np.float32) * np.sin(np.float32(2 * np.pi) * phase)
    return tone


def _noises(
    timbre: Timbre, samples: int, sample_rate: int, u: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Hiss of the events, growing duller, and the stationary floor: (N,) each, RMS 1 at the start."""
    frequency = np.fft.rfftfreq(samples, 1 / sample_rate)
    white = np.fft.rfft(rng.standard_normal(samples, dtype=np.float32))
    body = white * (frequency < _TOP_HZ) * frequency / (frequency + 200.0)
    bright, dull = (
        np.fft.irfft(body / (1 + (frequency / (timbre.cutoff_hz * fall)) ** 2), samples)
        for fall in (1.0, float(clock.cutoff(np.float64(1.0))))
    )
    hiss = ((1 - u) * bright + u * dull) / bright.std()
    tilt = (np.maximum(frequency, 50.0) / 1000.0) ** timbre.floor_tilt * (frequency < _TOP_HZ)
    floor = np.fft.irfft(np.roll(white, 1) * tilt, samples)
    return hiss.astype(np.float32), (floor / floor.std()).astype(np.float32)
