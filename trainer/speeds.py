"""Which speeds fit a segment, and how to draw them so that the draw itself tells nothing.

A sample has four clips: video and audio of window 1, video and audio of window 2. Speeds are drawn jointly, because
both windows and all three order classes of the target pair must fit the segment. Dropping the combinations that do
not fit would make slow clips more frequent; the joint distribution is therefore balanced (iterative proportional
fitting) until every clip's speed is uniform over the speeds that it can have at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

# Axes of every joint array.
V1, A1, V2, A2 = range(4)
TARGET_PAIRS = ((V1, V2), (A1, A2), (V1, A2), (A1, V2))
"""The four pairs of clips that two windows decide."""

_QUANTUM_S = 0.05
_BALANCE_ROUNDS = 200


@dataclass(frozen=True)
class Room:
    """What a segment offers, in seconds from frame 0; a modality that it lacks has an empty range."""

    video_end: float
    audio_start: float
    audio_end: float
    frame_s: float = 0.0  # clips begin on a frame, and on a sample
    sample_s: float = 0.0

    def has_video(self) -> bool:
        """Whether there are frames."""
        return self.video_end > 0

    def has_audio(self) -> bool:
        """Whether there is sound."""
        return self.audio_end > self.audio_start

    def slack(self, target: int) -> float:
        """How far rounding to the grid may move the two clips of a target pair against each other, in seconds."""
        return sum(self.frame_s if axis in (V1, V2) else self.sample_s for axis in TARGET_PAIRS[target]) / 2


@dataclass(frozen=True)
class Joint:
    """A distribution over the four clips' speed classes."""

    probabilities: np.ndarray  # (S_v1, S_a1, S_v2, S_a2), sums to 1; an absent modality has one class
    feasible: tuple[int, ...]  # number of speeds that each clip can have
    largest: tuple[float, ...]  # probability of each clip's likeliest speed: what its duration alone tells

    def draw(self, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """Speed classes of (v1, a1, v2, a2)."""
        flat = int(rng.choice(self.probabilities.size, p=self.probabilities.ravel()))
        v1, a1, v2, a2 = (int(i) for i in np.unravel_index(flat, self.probabilities.shape))
        return v1, a1, v2, a2


def joint_speeds(
    room: Room,
    speeds: tuple[int, ...],
    video_clip_s: float,
    audio_clip_s: float,
    target: int | None,
    tied: bool = False,
) -> Joint | None:
    """The balanced joint of the speeds that fit `room`; None where none does.

    `target`: index into TARGET_PAIRS whose three order classes must all fit, or None for no order task.
    `tied`: sound takes its video's speed. The room is rounded inwards to 0.05 s, so that results can be kept.
    """
    quantised = Room(
        np.floor(room.video_end / _QUANTUM_S) * _QUANTUM_S,
        np.ceil(room.audio_start / _QUANTUM_S) * _QUANTUM_S,
        np.floor(room.audio_end / _QUANTUM_S) * _QUANTUM_S,
        room.frame_s,
        room.sample_s,
    )
    rest = (tuple(speeds), video_clip_s, audio_clip_s, target, tied)
    # A segment hardly longer than its clips may fit by less than the rounding takes away.
    return _joint(quantised, *rest) or _joint(room, *rest)


@lru_cache(maxsize=4096)
def _joint(
    room: Room, speeds: tuple[int, ...], video_s: float, audio_s: float, target: int | None, tied: bool
) -> Joint | None:
    fits = feasible_speeds(room, speeds, video_s, audio_s, target)
    if tied and room.has_video() and room.has_audio():
        same = np.eye(len(speeds), dtype=bool)
        fits = fits & same[:, :, None, None] & same[None, None, :, :]
    if not fits.any():
        return None
    p = balance(fits)
    marginals = [p.sum(axis=tuple(set(range(4)) - {axis})) for axis in range(4)]
    return Joint(
        p,
        tuple(int((m > 0).sum()) for m in marginals),
        tuple(float(m.max()) for m in marginals),
    )


def feasible_speeds(
    room: Room, speeds: tuple[int, ...], video_s: float, audio_s: float, target: int | None
) -> np.ndarray:
    """Which combinations of speeds fit: boolean (S_v1, S_a1, S_v2, S_a2), one class for an absent modality."""
    spans = np.array(speeds, dtype=float)
    video = spans * video_s if room.has_video() else np.zeros(1)
    audio = spans * audio_s if room.has_audio() else np.zeros(1)
    span = np.ix_(video, audio, video, audio)  # four arrays that broadcast over the joint
    lo1, hi1 = centre_range(room, span[V1], span[A1])
    lo2, hi2 = centre_range(room, span[V2], span[A2])
    fits = (lo1 <= hi1) & (lo2 <= hi2)
    if target is None:
        return fits
    first, second = TARGET_PAIRS[target]
    half, slack = (span[first] + span[second]) / 2, room.slack(target)
    apart, together = half + slack, half - slack  # a class must survive the rounding to the grid
    before = lo1 + apart <= hi2
    after = lo2 + apart <= hi1
    overlap = (together > 0) & (np.maximum(lo1, lo2 - together) <= np.minimum(hi1, hi2 + together))
    return fits & before & after & overlap


def centre_range(room: Room, video_span: np.ndarray, audio_span: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Earliest and latest centre of a window whose clips have these spans (s); empty where lo > hi."""
    lo = np.zeros(np.broadcast_shapes(np.shape(video_span), np.shape(audio_span)))
    hi = np.full_like(lo, np.inf)
    if room.has_video():
        lo = np.maximum(lo, video_span / 2)
        hi = np.minimum(hi, room.video_end - video_span / 2)
    if room.has_audio():
        lo = np.maximum(lo, room.audio_start + audio_span / 2)
        hi = np.minimum(hi, room.audio_end - audio_span / 2)
    return lo, hi


def balance(fits: np.ndarray) -> np.ndarray:
    """Probabilities on the cells of `fits` whose marginals are uniform over each axis's possible classes.

    Iterative proportional fitting (Deming and Stephan, 1940); where no such joint exists it stays as close as
    the rounds allow, and `Joint.largest` says how far off it is.
    """
    p = fits / fits.sum()
    for _ in range(_BALANCE_ROUNDS):
        for axis in range(p.ndim):
            others = tuple(set(range(p.ndim)) - {axis})
            marginal = p.sum(axis=others, keepdims=True)
            possible = marginal > 0
            wanted = possible / possible.sum()
            p = p * np.divide(wanted, marginal, out=np.zeros_like(marginal), where=possible)
    return p / p.sum()
