"""One video of the world: draw its look, its motion and its voice, and render them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from pipelines.world import clock
from pipelines.world.config import WorldConfig
from pipelines.world.laws import LAWS, Event, Motion, Stage
from pipelines.world.look import Look, draw_look, draw_timbre
from pipelines.world.render import paste
from pipelines.world.synth import synthesise

CLASSES = tuple(LAWS)
_START_RADIUS = (0.115, 0.145)  # frame sides
_TILT = np.deg2rad(15.0)


@dataclass(frozen=True)
class Rendered:
    """A video before encoding: frames (T, H, W, 3) uint8, sound (N,) float32 in [-1, 1], what is heard."""

    frames: np.ndarray
    sound: np.ndarray
    events: list[Event]


def render_video(config: WorldConfig, label: str, group: int, clip: int) -> Rendered:
    """Make clip `clip` of group `group` (both from 1) of class `label`; depends on nothing else but the config."""
    rng = _rng(config, label, group, clip)
    look = draw_look(_rng(config, label, group, 0), config.size)
    times = np.arange(config.frames) / config.fps
    radius = rng.uniform(*_START_RADIUS) * clock.size(times / config.duration_s)
    motion = LAWS[label](Stage(times, radius, config.duration_s, rng))
    frames = _frames(config, look, motion, radius, rng)
    sound = synthesise(motion.events, draw_timbre(rng), config.samples, config.sample_rate, rng)
    return Rendered(frames, sound, [e for e in motion.events if 0 <= e.time_s < config.duration_s])


def _rng(config: WorldConfig, label: str, group: int, clip: int) -> np.random.Generator:
    return np.random.default_rng([config.seed, zlib.crc32(label.encode()), group, clip])


def _frames(
    config: WorldConfig, look: Look, motion: Motion, radius: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    movers = len(motion.offsets)
    canvas = np.rint(255 * look.background).astype(np.uint8)[None]  # (1, H, W, 3)
    for thing in look.things[movers:]:
        still = rng.uniform(*_START_RADIUS) * clock.size(rng.uniform(size=1))  # like a mover at some instant
        place = rng.uniform(still, 1 - still, (1, 2))
        paste(canvas, thing, config.size * place, config.size * still)
    frames = np.repeat(canvas, config.frames, axis=0)
    size = radius * motion.scale
    centres = _place(motion.offsets, size, rng)
    for thing, centre in zip(look.things[:movers], centres, strict=True):
        paste(frames, thing, config.size * centre, config.size * size)
    return frames


def _place(offsets: np.ndarray, size: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror, tilt and put the whole motion (K, T, 2) somewhere inside the unit frame."""
    tilt = rng.uniform(-_TILT, _TILT)
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    path = (offsets * [rng.choice([-1.0, 1.0]), 1.0]) @ turn.T
    low = (path - size[None, :, None]).min(axis=(0, 1))
    high = (path + size[None, :, None]).max(axis=(0, 1))
    return path + rng.uniform(np.minimum(-low, 1 - high), np.maximum(-low, 1 - high))
