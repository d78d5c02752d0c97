"""Drawing two windows from a segment, with all labels (docs/method.md, section 1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer.config import SamplingConfig
from trainer.speeds import A1, A2, TARGET_PAIRS, V1, V2, Room, centre_range, joint_speeds

BEFORE, OVERLAP, AFTER = range(3)


@dataclass(frozen=True)
class Segment:
    """The grid of a stored segment: frames per second and count, samples per second and valid range."""

    n_frames: int
    fps: float
    sample_rate: int  # at least 1; any value where there is no sound
    audio_start: int  # first valid sample
    audio_end: int  # one past the last valid sample

    def room(self) -> Room:
        """The segment's ranges in seconds."""
        start, end = self.audio_start / self.sample_rate, self.audio_end / self.sample_rate
        return Room(self.n_frames / self.fps, start, end, 1 / self.fps, 1 / self.sample_rate)


@dataclass(frozen=True)
class Clip:
    """A drawn clip: grid positions `start + step * k` for k < length, reversed if `backward`."""

    start: int
    step: int
    length: int
    rate: float  # grid positions per second of source time
    speed: int  # class: index into the configured speeds
    backward: bool

    @property
    def span(self) -> tuple[float, float]:
        """Seconds of source time that the clip covers, whatever its direction."""
        return self.start / self.rate, (self.start + self.step * self.length) / self.rate

    def positions(self) -> np.ndarray:
        """Grid positions in playing order: (length,)."""
        at = self.start + self.step * np.arange(self.length)
        return at[::-1] if self.backward else at


@dataclass(frozen=True)
class Draw:
    """One sample: clips (v1, a1, v2, a2), None for an absent modality, and what is to be told from them.

    `target` indexes TARGET_PAIRS and `order` is the class of that pair; both are -1 where no pair fits.
    `feasible` and `largest` are per clip: the number of speeds it could have had and the probability of the
    likeliest, that is, what a guess from the segment's duration alone would score.
    """

    clips: tuple[Clip | None, Clip | None, Clip | None, Clip | None]
    target: int
    order: int
    feasible: tuple[int, ...]
    largest: tuple[float, ...]


def order_class(first: tuple[float, float], second: tuple[float, float]) -> int:
    """0: the first span ends before the second begins; 2: it begins after the second ends; 1: they overlap."""
    if first[1] <= second[0]:
        return BEFORE
    return AFTER if first[0] >= second[1] else OVERLAP


def feasible_targets(segment: Segment, config: SamplingConfig, n_frames: int, clip_samples: int) -> list[int]:
    """Target pairs for which some speeds let all three order classes fit the segment."""
    room = segment.room()
    present = {V1: room.has_video(), V2: room.has_video(), A1: room.has_audio(), A2: room.has_audio()}
    video_s, audio_s = n_frames / segment.fps, clip_samples / segment.sample_rate
    tied = config.audio_follows_video
    return [
        target
        for target, (first, second) in enumerate(TARGET_PAIRS)
        if present[first]
        and present[second]
        and joint_speeds(room, config.speeds, video_s, audio_s, target, tied) is not None
    ]


def draw_windows(
    rng: np.random.Generator,
    segment: Segment,
    config: SamplingConfig,
    n_frames: int,
    clip_samples: int,
    target: int | None = None,
) -> Draw | None:
    """Draw two windows; None where the segment is shorter than one clip.

    `n_frames`, `clip_samples`: length of a video and of an audio clip, in frames and samples at speed 1.
    `target`: the pair to use where it fits; by default one is drawn.
    """
    room = segment.room()
    if not (room.has_video() or room.has_audio()):
        return None
    targets = feasible_targets(segment, config, n_frames, clip_samples)
    if target is not None:
        targets = [target] if target in targets else []
    chosen = int(rng.choice(targets)) if targets else None
    video_s, audio_s = n_frames / segment.fps, clip_samples / segment.sample_rate
    joint = joint_speeds(room, config.speeds, video_s, audio_s, chosen, config.audio_follows_video)
    if joint is None:
        return None
    classes = joint.draw(rng)
    centres = _place(rng, room, [config.speeds[c] for c in classes], (video_s, audio_s), chosen)
    clips = _clips(rng, segment, config, classes, centres, (n_frames, clip_samples))
    order = -1
    if chosen is not None:
        first, second = (clips[index] for index in TARGET_PAIRS[chosen])
        assert first is not None and second is not None
        order = order_class(first.span, second.span)  # as drawn: the placing leaves room for rounding
    return Draw(clips, -1 if chosen is None else chosen, order, joint.feasible, joint.largest)


def _place(
    rng: np.random.Generator, room: Room, speeds: list[int], clip_s: tuple[float, float], target: int | None
) -> tuple[float, float]:
    """Centres (s) of the two windows, such that the target pair falls into a class drawn uniformly."""
    spans = [speed * clip_s[axis % 2] for axis, speed in enumerate(speeds)]
    lo1, hi1 = (float(x) for x in centre_range(room, np.array(spans[V1]), np.array(spans[A1])))
    lo2, hi2 = (float(x) for x in centre_range(room, np.array(spans[V2]), np.array(spans[A2])))
    if target is None:
        return rng.uniform(lo1, hi1), rng.uniform(lo2, hi2)
    first, second = TARGET_PAIRS[target]
    half, slack = (spans[first] + spans[second]) / 2, room.slack(target)
    apart, together = half + slack, half - slack
    wanted = int(rng.integers(3))
    if wanted == BEFORE:
        one = rng.uniform(lo1, min(hi1, hi2 - apart))
        return one, rng.uniform(max(lo2, one + apart), hi2)
    if wanted == AFTER:
        one = rng.uniform(max(lo1, lo2 + apart), hi1)
        return one, rng.uniform(lo2, min(hi2, one - apart))
    one = rng.uniform(max(lo1, lo2 - together), min(hi1, hi2 + together))
    return one, rng.uniform(max(lo2, one - together), min(hi2, one + together))


def _clips(
    rng: np.random.Generator,
    segment: Segment,
    config: SamplingConfig,
    classes: tuple[int, int, int, int],
    centres: tuple[float, float],
    lengths: tuple[int, int],
) -> tuple[Clip | None, Clip | None, Clip | None, Clip | None]:
    room = segment.room()
    backward = rng.random(4) < config.p_backward
    if config.audio_follows_video and room.has_video():
        backward[[A1, A2]] = backward[[V1, V2]]
    clips: list[Clip | None] = []
    for axis in (V1, A1, V2, A2):
        video = axis in (V1, V2)
        if not (room.has_video() if video else room.has_audio()):
            clips.append(None)
            continue
        rate = segment.fps if video else float(segment.sample_rate)
        low, high = (0, segment.n_frames) if video else (segment.audio_start, segment.audio_end)
        step, length = config.speeds[classes[axis]], lengths[0 if video else 1]
        start = round(centres[0 if axis < V2 else 1] * rate - step * length / 2)
        start = min(max(start, low), high - step * length)
        clips.append(Clip(start, step, length, rate, classes[axis], bool(backward[axis])))
    v1, a1, v2, a2 = clips
    return v1, a1, v2, a2
