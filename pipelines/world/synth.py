"""Sound events to a waveform: one carrier a video (its timbre), shaped by the events' envelope."""

from __future__ import annotations

import numpy as np

from pipelines.world import clock
from pipelines.world.laws import Event
from pipelines.world.look import Timbre

_PARTIALS = 6
_TOP_HZ = 7000.0  # a log-mel front end may stop here; nothing is put above
_SWELL_DB = 16.0  # rise of a swell from its beginning to its cut
_TAIL_DECAYS = 14.0  # an event is followed down to -120 dB, so that levels have an order everywhere
_LEVEL_SPAN_DB = 42.0  # from the quietest to the loudest instant of a video's events
_COARSE = 8  # levels are gathered at every eighth sample
_BLOCK_S = 0.05
_ATTACK_DB = 2.5  # the loudest instant above the loudest block
_HEADROOM = 0.3  # RMS of the carrier at full scale: its peaks stay below 1


def synthesise(
    events: list[Event], timbre: Timbre, samples: int, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """The waveform (N,) float32 in [-1, 1]; sample 0 is the instant of frame 0."""
    envelope, glide = _envelope(events, timbre.decay_s, samples, sample_rate)
    envelope = envelope * clock.level(np.linspace(0.0, 1.0, samples, dtype=np.float32))
    hiss, floor = _noises(timbre, samples, sample_rate, rng)
    tone = _tone(timbre, glide, sample_rate)
    carrier = np.sqrt(1 - timbre.noisiness) * tone + np.sqrt(timbre.noisiness) * hiss
    sound = match_levels(envelope, sample_rate) * carrier + timbre.floor * floor
    return np.clip(_HEADROOM * timbre.gain * sound, -1.0, 1.0).astype(np.float32)


def match_levels(envelope: np.ndarray, sample_rate: int) -> np.ndarray:
    """Map an amplitude envelope (N,) so that its level is spread evenly over the span, up to 0 dB.

    Busy and sparse classes would otherwise differ in how much of the time is loud, and loudness alone would
    tell them apart. The map is monotone and has no memory: attacks, decays, their order and their fall stay.
    It is found by matching the quantiles of the level of 50 ms blocks, thrice, as a block holds many levels.
    """
    coarse = 20 * np.log10(np.maximum(envelope[::_COARSE], 1e-7))  # dB
    block = round(_BLOCK_S * sample_rate / _COARSE)
    knots = np.quantile(coarse, np.linspace(0.0, 1.0, 257))
    mapped_knots, mapped = knots, coarse
    for _ in range(3):
        power = 10.0 ** (mapped[: len(mapped) // block * block].reshape(-1, block) / 10)
        now = np.sort(10 * np.log10(power.mean(axis=1)))
        wanted = np.linspace(-_LEVEL_SPAN_DB, 0.0, len(now))
        # Instants are louder or quieter than any block: the loudest is put where an attack would have it.
        now = np.concatenate([[now[0] - 99.0], now, [max(mapped.max(), now[-1] + 0.1)]])
        wanted = np.concatenate([[wanted[0] - 99.0], wanted, [_ATTACK_DB]])
        mapped_knots, mapped = np.interp(mapped_knots, now, wanted), np.interp(mapped, now, wanted)
    level = np.log(np.maximum(envelope, 1e-7))
    per_decibel = np.log(10) / 20
    return np.exp(np.interp(level, knots * per_decibel, mapped_knots * per_decibel)).astype(np.float32)


def _envelope(
    events: list[Event], decay_s: float, samples: int, sample_rate: int
) -> tuple[np.ndarray, np.ndarray]:
    """Amplitude (N,) and glide in octaves (N,) of all events."""
    length = int(_TAIL_DECAYS * decay_s * sample_rate)
    tail = np.exp(-np.arange(length) / (decay_s * sample_rate))
    # Events may reach over both ends: they are written into a longer buffer, and the ends are cut off.
    pad = max([length, *(round(event.swell_s * sample_rate) for event in events)])
    envelope, glide = np.zeros((2, samples + 2 * pad), np.float32)
    for event in events:
        at = round(event.time_s * sample_rate) + pad
        if event.swell_s:
            wave, octaves = _swell(event, round(event.swell_s * sample_rate))
            part = slice(at - len(wave), at)
        else:
            wave, octaves, part = event.strength * tail, None, slice(at, at + length)
        if part.start >= 0 and part.stop <= len(envelope):
            envelope[part] += wave
            if octaves is not None:
                glide[part] = octaves
    return envelope[pad:-pad], glide[pad:-pad]


def _swell(event: Event, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Amplitude (length,) and glide in octaves (length,) of a swelling event up to its cut."""
    done = np.arange(length) / length
    wave = event.strength * 10.0 ** (_SWELL_DB * (done - 1) / 20.0)
    if event.rough_hz:
        wave *= 0.75 + 0.25 * np.sin(2 * np.pi * event.rough_hz * event.swell_s * done)
    return wave, event.octaves * (done - 0.5)  # about the usual pitch: a mean must not tell the class


def _tone(timbre: Timbre, glide: np.ndarray, sample_rate: int) -> np.ndarray:
    """Harmonic or stretched partials that follow the common fall of pitch and cut-off; RMS 1 throughout."""
    u = np.linspace(0.0, 1.0, len(glide), dtype=np.float32)
    knots = np.linspace(0.0, 1.0, 64)
    fall = np.interp(u, knots, clock.pitch(knots)).astype(np.float32)
    pitch = np.float32(timbre.pitch_hz) * fall * np.exp2(glide)  # (N,) Hz
    turns = np.cumsum(pitch, dtype=np.float64) / sample_rate  # float64: thousands of turns add up
    cutoff = np.interp(u, knots, timbre.cutoff_hz * clock.cutoff(knots)).astype(np.float32)
    number, top = np.arange(1, _PARTIALS + 1), min(_TOP_HZ, 0.45 * sample_rate)
    tone, power = np.zeros((2, len(glide)), np.float32)
    for ratio, weight in zip(number**timbre.stretch, number**-timbre.slope, strict=True):
        frequency = np.float32(ratio) * pitch
        gain = np.float32(weight) / (1 + np.square(frequency / cutoff)) * (frequency < top)
        phase = ratio * turns
        phase -= np.floor(phase)
        tone += gain * np.sin(np.float32(2 * np.pi) * phase.astype(np.float32))
        power += np.square(gain) / 2
    return tone / np.sqrt(power)


def _noises(
    timbre: Timbre, samples: int, sample_rate: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Hiss of the events, growing duller, and the stationary floor: (N,) each, RMS 1, independent."""
    frequency = np.fft.rfftfreq(samples, 1 / sample_rate).astype(np.float32)
    band = (frequency < _TOP_HZ).astype(np.float32)
    white, other = np.fft.rfft(rng.standard_normal((2, samples), dtype=np.float32))
    end = timbre.cutoff_hz * float(clock.cutoff(np.ones(1))[0])
    body = band * frequency / (frequency + 200.0)
    bright = _filtered(white, body / (1 + np.square(frequency / np.float32(timbre.cutoff_hz))), samples)
    dull = _filtered(white, body / (1 + np.square(frequency / np.float32(end))), samples)
    u = np.linspace(0.0, 1.0, samples, dtype=np.float32)
    tilt = band * (np.maximum(frequency, 50.0) / 1000.0) ** np.float32(timbre.floor_tilt)
    return (1 - u) * bright + u * dull, _filtered(other, tilt, samples)


def _filtered(spectrum: np.ndarray, gain: np.ndarray, samples: int) -> np.ndarray:
    wave = np.fft.irfft(spectrum * gain, samples)
    return wave / wave.std()
