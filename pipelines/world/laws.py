"""The laws of motion, one a class: where the movers are at each frame, and when they sound.

Lengths are in frame sides (x to the right, y down, from the resting place), times in seconds. Every law
starts each cycle with something sudden (a kick, a snap, a pop, an impact) that relaxes, so that time's arrow
and the playback speed can be told at the scale of half a second; none is the time reversal of another.
Rates vary by +-12 % between videos and by some per cent between cycles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pipelines.world import clock

GRAVITY = 10.5  # frame sides / s^2
START_REACH = 0.40  # frame sides
SETTLE_S = 0.12  # relaxation time of kicks, pulses and steps


@dataclass(frozen=True)
class Event:
    """A sound: a `strength` (amplitude) that decays from `time_s` on.

    With `swell_s` > 0 it swells until `time_s` instead and is cut there, gliding up by `octaves` about the
    usual pitch, its amplitude modulated at `rough_hz`.
    """

    time_s: float
    strength: float
    swell_s: float = 0.0
    octaves: float = 0.0
    rough_hz: float = 0.0


@dataclass(frozen=True)
class Motion:
    """One or two movers: `offsets` (K, T, 2), one `scale` (T,) of their size, and what is heard."""

    offsets: np.ndarray
    scale: np.ndarray
    events: list[Event]


@dataclass(frozen=True)
class Stage:
    """What a law is given: frame `times` (T,), the movers' `radius` (T,), randomness."""

    times: np.ndarray
    radius: np.ndarray
    duration_s: float
    rng: np.random.Generator
    rate: float = field(init=False)
    start_reach: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", self.rng.uniform(0.88, 1.12))
        object.__setattr__(self, "start_reach", START_REACH * self.rng.uniform(0.94, 1.06))

    def reach(self, times: np.ndarray) -> np.ndarray:
        """Motion amplitude at given times, frame sides."""
        return self.start_reach * clock.reach(times / self.duration_s)

    def starts(self, period_s: float) -> np.ndarray:
        """Start times (n,) of cycles: the first before 0, the last after the end."""
        period = period_s / self.rate
        count = int(self.duration_s / (0.9 * period)) + 4
        steps = period * self.rng.uniform(0.94, 1.06, count)
        return np.cumsum(steps) - steps[0] - self.rng.uniform(0.0, 1.0) * period

    def since(self, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each frame the running cycle's index (T,) and the time since its start (T,)."""
        index = np.searchsorted(starts, self.times, side="right") - 1
        return index, self.times - starts[index]


Law = Callable[[Stage], Motion]


def _line(x: np.ndarray) -> np.ndarray:
    return np.stack([x, np.zeros_like(x)], axis=-1)[None]  # (1, T, 2)


def _hits(times: np.ndarray, strengths: np.ndarray | float = 1.0) -> list[Event]:
    pairs = zip(np.ravel(times), np.ravel(np.broadcast_to(strengths, np.shape(times))), strict=True)
    return [Event(float(time), float(strength)) for time, strength in pairs]


def bouncing_ball(stage: Stage) -> Motion:
    """Thrown up, it falls and bounces, losing speed at each knock, until it is thrown again."""
    launch = stage.starts(1.25)[:, None]  # (n, 1)
    loss = 0.65 ** np.arange(5)  # speed after each bounce
    speed = np.sqrt(2 * GRAVITY * stage.reach(launch)) * loss  # (n, 5)
    flight = 2 * speed / GRAVITY
    start = launch + np.cumsum(flight, axis=1) - flight
    ends = np.append(launch[1:, 0], np.inf)[:, None]
    kept = start < ends - 0.05
    begin, velocity = start[kept], speed[kept]
    strength = np.broadcast_to(loss, start.shape)[kept]
    index, since = stage.since(begin)
    height = np.maximum(velocity[index] * since - GRAVITY * since**2 / 2, 0.0)
    offsets = np.stack([np.zeros_like(height), -height], axis=-1)[None]
    return Motion(offsets, np.ones_like(height), _hits(begin, strength))


def kicked_puck(stage: Stage) -> Motion:
    """Kicked to and fro; friction brings it to rest after every kick."""
    starts = stage.starts(0.7)
    index, since = stage.since(starts)
    side = np.where(np.arange(len(starts)) % 2, 0.5, -0.5) * stage.reach(starts)
    before = np.append(-side[:1], side[:-1])
    x = side[index] + (before - side)[index] * np.exp(-since / SETTLE_S)
    return Motion(_line(x), np.ones_like(x), _hits(starts))


def stepping_loop(stage: Stage) -> Motion:
    """Shoved from corner to corner of a square, three soft knocks and a hard one a round."""
    starts = stage.starts(0.36)
    index, since = stage.since(starts)
    corner = np.arange(len(starts)) % 4
    turn = np.pi / 2 * corner
    places = 0.5 * stage.reach(starts)[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=-1)  # (n, 2)
    before = np.concatenate([places[:1], places[:-1]])
    left = np.exp(-since / (0.6 * SETTLE_S))[:, None]
    offsets = places[index] + (before - places)[index] * left
    return Motion(offsets[None], np.ones(len(since)), _hits(starts, np.where(corner == 0, 1.0, 0.4)))


def plucked_spring(stage: Stage) -> Motion:
    """Plucked aside, it swings about its rest and rings down, beating at every half swing."""
    starts = stage.starts(1.1)
    index, since = stage.since(starts)
    swing_hz, fade_s = 3.2 * stage.rate, 0.3
    x = 0.6 * stage.reach(starts)[index] * np.exp(-since / fade_s) * np.cos(2 * np.pi * swing_hz * since)
    beats = np.arange(6) / (2 * swing_hz)
    times = starts[:, None] + beats
    return Motion(_line(x), np.ones_like(x), _hits(times, np.exp(-beats / fade_s)))


def coasting_wheel(stage: Stage) -> Motion:
    """Rides on a wheel that is spun up and coasts down, ticking six times a turn."""
    starts = stage.starts(1.2)
    coast_s, spin = 0.45, 2 * np.pi * 2.4 * stage.rate  # radians / s after a spin-up
    lasting = np.diff(starts, append=starts[-1] + 1.2)
    turned = spin * coast_s * (1 - np.exp(-lasting / coast_s))  # (n,)
    before = np.cumsum(turned) - turned
    index, since = stage.since(starts)
    angle = before[index] + spin * coast_s * (1 - np.exp(-since / coast_s))
    radius = 0.5 * stage.reach(stage.times)
    offsets = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)[None]
    step = np.pi / 3
    ticks: list[Event] = []
    for start, total in zip(starts, turned, strict=True):
        share = np.arange(0.0, total, step) / (spin * coast_s)
        ticks += _hits(start - coast_s * np.log1p(-share), np.sqrt(1 - share))
    return Motion(offsets, np.ones(len(since)), ticks)


def popping_balloon(stage: Stage) -> Motion:
    """Blown up with a rising tone until it pops and begins anew."""
    starts = stage.starts(0.95)
    index, since = stage.since(starts)
    lasting = np.diff(starts, append=starts[-1] + 1.0)
    growth = stage.reach(starts) / START_REACH
    scale = 0.7 + 0.75 * growth[index] * since / lasting[index]
    tones = [
        Event(float(end), 0.25, swell_s=0.92 * float(length), octaves=1.0)
        for end, length in zip(starts[1:], lasting[:-1], strict=True)
    ]
    return Motion(np.zeros((1, len(since), 2)), scale, _hits(starts) + tones)


def heart_beat(stage: Stage) -> Motion:
    """Swells at a strong and then a weaker beat, and slackens after each."""
    strong = stage.starts(0.95)
    gap = 0.26 / stage.rate
    times = np.stack([strong, strong + gap], axis=1)  # (n, 2)
    index, since = stage.since(strong)
    pulse = np.exp(-since / SETTLE_S) + 0.6 * np.exp(-(since - gap) / SETTLE_S) * (since >= gap)
    scale = 0.82 + 0.7 * (stage.reach(strong) / START_REACH)[index] * pulse
    return Motion(np.zeros((1, len(since), 2)), scale, _hits(times, np.array([1.0, 0.6])))


def stick_slip(stage: Stage) -> Motion:
    """Dragged slowly with a growing creak until it snaps back and quivers."""
    starts = stage.starts(0.9)
    index, since = stage.since(starts)
    lasting = np.diff(starts, append=starts[-1] + 0.9)
    quiver = np.exp(-since / 0.2) * np.cos(2 * np.pi * 4.0 * stage.rate * since)
    x = stage.reach(starts)[index] * (since / lasting[index] - 0.5 + quiver)
    creaks = [
        Event(float(end), 0.25, swell_s=0.75 * float(length), rough_hz=22.0 * stage.rate)
        for end, length in zip(starts[1:], lasting[:-1], strict=True)
    ]
    return Motion(_line(x), np.ones_like(x), _hits(starts) + creaks)


def hopper(stage: Stage) -> Motion:
    """Crouches slowly, leaps aside with a short rising cry and lands with a thud that flattens it."""
    lands = stage.starts(0.9)
    reach = stage.reach(lands)
    flight = 2 * np.sqrt(2 * 0.5 * reach / GRAVITY)
    index, since = stage.since(lands)
    following = np.minimum(index + 1, len(lands) - 1)
    until = lands[following] - since - lands[index]  # time left to the next landing
    side = np.where(np.arange(len(lands)) % 2, 0.35, -0.35) * reach
    air = np.clip(1 - until / flight[following], 0.0, 1.0)  # share of the leap that is done
    x = side[index] + (side[following] - side[index]) * air
    height = 4 * 0.5 * reach[following] * air * (1 - air)
    crouch = np.clip(since / (since + until - flight[following]), 0.0, 1.0) * (air == 0)
    scale = 1.0 + 0.4 * np.exp(-since / SETTLE_S) - 0.3 * crouch
    cries = [
        Event(float(land - length), 0.5, swell_s=0.14, octaves=0.8)
        for land, length in zip(lands, flight, strict=True)
    ]
    offsets = np.stack([x, -height], axis=-1)[None]
    return Motion(offsets, scale, _hits(lands) + cries)


def clacking_pucks(stage: Stage) -> Motion:
    """Two pucks are drawn together, clack with a chatter and are thrown apart."""
    starts = stage.starts(0.8)
    index, since = stage.since(starts)
    lasting = np.diff(starts, append=starts[-1] + 0.8)
    gap = 0.7 * stage.reach(starts)[index] * (1 - np.exp(-since / 0.06)) * (1 - since / lasting[index])
    x = 0.9 * stage.radius + gap / 2
    chatter = np.array([0.0, 0.07, 0.125]) / stage.rate
    hits = _hits(starts[:, None] + chatter, np.array([1.0, 0.6, 0.35]))
    return Motion(np.concatenate([_line(x), _line(-x)]), np.ones_like(x), hits)


def rattle(stage: Stage) -> Motion:
    """Shaken at random in bursts that die away, each a scatter of small knocks."""
    starts = stage.starts(1.0)
    index, since = stage.since(starts)
    fade_s, shakes_hz = 0.2, 12.0 * stage.rate
    lattice = np.arange(0.0, stage.duration_s + 2 / shakes_hz, 1 / shakes_hz)
    shake = stage.rng.uniform(-1.0, 1.0, (2, len(lattice)))
    jitter = np.stack([np.interp(stage.times, lattice, axis) for axis in shake], axis=-1)  # (T, 2)
    size = 0.55 * stage.reach(starts)[index] * np.exp(-since / fade_s)
    grains = np.sort(stage.rng.exponential(0.8 * fade_s, (len(starts), 8)), axis=1)
    grains -= grains[:, :1]
    loud = np.exp(-grains / (2 * fade_s)) * stage.rng.uniform(0.5, 1.0, grains.shape)
    loud[:, 0] = 1.0
    return Motion((size[:, None] * jitter)[None], np.ones(len(since)), _hits(starts[:, None] + grains, loud))


LAWS: dict[str, Law] = {
    "BouncingBall": bouncing_ball,
    "ClackingPucks": clacking_pucks,
    "CoastingWheel": coasting_wheel,
    "HeartBeat": heart_beat,
    "Hopper": hopper,
    "KickedPuck": kicked_puck,
    "PluckedSpring": plucked_spring,
    "PoppingBalloon": popping_balloon,
    "Rattle": rattle,
    "SteppingLoop": stepping_loop,
    "StickSlip": stick_slip,
}
"""Class name -> law, in alphabetical order as in UCF101's class list."""
