"""What a video looks like and what timbre it has: drawn alike for all classes, so that neither tells one."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

SHAPES = ("disc", "square", "triangle", "bar", "ring", "cross")
_LUMA = np.array([0.299, 0.587, 0.114])
_CONTRAST = 0.35  # least difference of luma between a thing and its background


@dataclass(frozen=True)
class Thing:
    """A shape of one colour (3,) in [0, 1], turned by `angle` radians."""

    shape: str
    colour: np.ndarray
    angle: float


@dataclass(frozen=True)
class Look:
    """What the clips of a group share: background (H, W, 3) in [0, 1], movers and still things beside them."""

    background: np.ndarray
    things: list[Thing]


@dataclass(frozen=True)
class Timbre:
    """The voice of one video; frequencies in Hz, times in seconds, levels as amplitudes."""

    pitch_hz: float
    stretch: float
    slope: float
    noisiness: float
    cutoff_hz: float
    decay_s: float
    floor: float
    floor_tilt: float
    gain: float


def draw_look(rng: np.random.Generator, size: int) -> Look:
    """Background and three or four things (mover, companion, still ones) for frames of `size` pixels."""
    luma = rng.uniform(0.2, 0.8)
    background = _background(rng, size, luma)
    things = [
        Thing(str(rng.choice(SHAPES)), _contrasting(rng, luma), rng.uniform(0.0, 2 * np.pi))
        for _ in range(rng.integers(2, 5))
    ]
    return Look(background, things)


def draw_timbre(rng: np.random.Generator) -> Timbre:
    """A voice, independent of the class."""
    return Timbre(
        pitch_hz=float(np.exp(rng.uniform(np.log(260.0), np.log(720.0)))),
        stretch=rng.uniform(1.0, 1.25),
        slope=rng.uniform(0.4, 1.6),
        noisiness=rng.uniform(0.1, 0.6),
        cutoff_hz=rng.uniform(4000.0, 6000.0),
        decay_s=0.09 * rng.uniform(0.8, 1.2),
        floor=10.0 ** (rng.uniform(-40.0, -34.0) / 20.0),
        floor_tilt=rng.uniform(-0.5, 0.5),
        gain=10.0 ** (rng.uniform(-18.0, 0.0) / 20.0),
    )


def _colour(rng: np.random.Generator, saturation: tuple[float, float], luma: float) -> np.ndarray:
    colour = np.array(colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(*saturation), 1.0))
    now = float(colour @ _LUMA)
    # Darken towards black, or lighten towards white, until the luma is as asked.
    return colour * (luma / now) if luma <= now else 1.0 - (1.0 - colour) * (1.0 - luma) / (1.0 - now)


def _contrasting(rng: np.random.Generator, luma: float) -> np.ndarray:
    low, high = max(luma - _CONTRAST - 0.03, 0.0), max(0.97 - luma - _CONTRAST, 0.0)  # room below and above
    place = rng.uniform(0.0, low + high)
    target = 0.03 + place if place < low else luma + _CONTRAST + place - low
    return _colour(rng, (0.5, 0.95), target)


def _background(rng: np.random.Generator, size: int, luma: float) -> np.ndarray:
    """Two colours of like luma, mixed by a gradient, smooth noise and a fine texture: (H, W, 3)."""
    first, second = (_colour(rng, (0.1, 0.5), luma + shift) for shift in (-0.06, 0.06))
    axis = np.linspace(-0.5, 0.5, size)
    turn = rng.uniform(0.0, 2 * np.pi)
    gradient = np.cos(turn) * axis[None, :] + np.sin(turn) * axis[:, None]
    mix = 0.5 + 0.6 * gradient + 0.35 * _smooth_noise(rng, size, int(rng.integers(3, 7)))
    mix = np.clip(mix, 0.0, 1.0)[..., None]
    texture = 0.025 * _smooth_noise(rng, size, size // 3)[..., None]
    return np.clip(first + (second - first) * mix + texture, 0.0, 1.0).astype(np.float32)


def _smooth_noise(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Value noise: random values on a lattice, smoothly interpolated; (size, size), about [-1, 1]."""
    lattice = rng.uniform(-1.0, 1.0, (cells + 1, cells + 1))
    place = np.linspace(0.0, cells, size, endpoint=False)
    index = place.astype(int)
    part = place - index
    part = part * part * (3 - 2 * part)
    rows = lattice[index] * (1 - part)[:, None] + lattice[index + 1] * part[:, None]  # (size, cells + 1)
    return rows[:, index] * (1 - part) + rows[:, index + 1] * part
