"""One training sample out of one stored row: decode only what the two windows need, keep only what crops show."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import simplejpeg
import soundfile

from chronav.errors import JobError
from trainer.arena import Empty
from trainer.augment import Box, cut_to_crop, draw_audio, draw_video, plain_audio, plain_video
from trainer.config import PretrainConfig
from trainer.speeds import A1, A2, V1, V2
from trainer.windows import Draw, Segment, draw_windows

_REPEAT_TOLERANCE = 0.98


@dataclass(frozen=True)
class Sample:
    """Two windows of a segment; arrays of an absent modality have length 0."""

    index: int  # global sample index
    clip_id: str
    video_id: str
    draw: Draw
    true_video_speed: bool  # False: the source had fewer frames than are stored, repeats betray speed 1
    frames: tuple[
        np.ndarray, ...
    ]  # two of (T, h, w, 3) uint8, in playing order: the part that the crop needs
    waves: tuple[np.ndarray, ...]  # two of (clip samples * speed,) int16, in playing order, not yet sped up
    video_params: np.ndarray  # (2, len(VIDEO_PARAMS)), the crop relative to `frames`
    audio_params: np.ndarray  # (2, len(AUDIO_PARAMS))
    dataset: str | None = None


@dataclass(frozen=True)
class StoredRow:
    """A row of a clip table with its media still encoded."""

    clip_id: str
    video_id: str
    fps: float
    n_frames: int
    source_fps: float | None
    frames: Any  # sequence of buffers, one JPEG each
    audio: Any | None  # buffer of FLAC
    audio_valid: tuple[float, float] | None
    dataset: str | None = None


def decode_audio(row: StoredRow, sample_rate: int) -> np.ndarray:
    """The row's sound, (samples,) int16; empty where it has none. Raises `JobError` at another sample rate."""
    if row.audio is None:
        return np.zeros(0, dtype=np.int16)
    sound, rate = soundfile.read(io.BytesIO(row.audio), dtype="int16")
    if rate != sample_rate:
        raise JobError(
            f"{row.clip_id} is stored at {rate} Hz, others at {sample_rate} Hz", code="mixed_rates"
        )
    return sound


def segment_of(row: StoredRow, sample_rate: int, n_samples: int) -> Segment:
    """The row's grid; sound counts only where the source really had some."""
    start = end = 0
    if row.audio is not None and row.audio_valid is not None:
        start = int(np.ceil(row.audio_valid[0] * sample_rate))
        end = min(int(np.floor(row.audio_valid[1] * sample_rate)), n_samples)
    # A table without any sound has no sample rate; an empty range needs none, only a divisor.
    return Segment(row.n_frames, row.fps or 1.0, max(sample_rate, 1), max(start, 0), max(end, 0))


def make_sample(
    row: StoredRow,
    sound: np.ndarray,
    index: int,
    config: PretrainConfig,
    sample_rate: int,
    target: int | None = None,
    augment: bool = True,
    empty: Empty = np.empty,
) -> Sample | None:
    """Draw and cut one sample; None where the segment is too short for any clip.

    Every random choice is keyed by (seed, global sample index). `sound` comes from `decode_audio`. `target` and
    `augment=False` are for held-out measurements. `empty` makes the arrays of the sample's media.
    """
    rng = np.random.default_rng((config.seed, int(augment), index))
    clip_samples = round(config.audio.clip_s * sample_rate)
    segment = usable(segment_of(row, sample_rate, len(sound)), config, clip_samples)
    draw = draw_windows(rng, segment, config.sampling, config.video.n_frames, clip_samples, target)
    if draw is None or all(clip is None for clip in draw.clips):
        return None
    size = _frame_size(row, draw)
    if augment:
        video = [draw_video(rng, config.augment, size[1] / size[0]) for _ in range(2)]
        audio = [draw_audio(rng, config.augment) for _ in range(2)]
    else:
        video, audio = [plain_video(size[1] / size[0])] * 2, [plain_audio()] * 2
    crops = [cut_to_crop(params, size) for params in video]
    waves = tuple(
        np.zeros(0, np.int16)
        if clip is None
        else _cut_wave(sound, clip.start, clip.step * clip.length, clip.backward, empty)
        for clip in (draw.clips[A1], draw.clips[A2])
    )
    true_speed = row.source_fps is None or row.source_fps >= row.fps * _REPEAT_TOLERANCE
    return Sample(
        index,
        row.clip_id,
        row.video_id,
        draw,
        true_speed,
        _cut_frames(row, draw, size, [box for box, _ in crops], empty),
        waves,
        np.stack([params for _, params in crops]),
        np.stack(audio),
        row.dataset,
    )


def usable(segment: Segment, config: PretrainConfig, clip_samples: int) -> Segment:
    """The segment without a modality that is too short for one clip at the lowest speed."""
    slowest = config.sampling.speeds[0]
    n_frames = segment.n_frames if segment.n_frames >= config.video.n_frames * slowest else 0
    enough = segment.audio_end - segment.audio_start >= clip_samples * slowest
    start, end = (segment.audio_start, segment.audio_end) if enough else (0, 0)
    return Segment(n_frames, segment.fps, segment.sample_rate, start, end)


def _frame_size(row: StoredRow, draw: Draw) -> tuple[int, int]:
    """Height and width of the row's frames; a square where no frame is needed."""
    first = draw.clips[V1]
    if first is None:
        return 1, 1
    height, width, *_ = simplejpeg.decode_jpeg_header(row.frames[first.start])
    return height, width


def _cut_frames(
    row: StoredRow, draw: Draw, size: tuple[int, int], boxes: Sequence[Box], empty: Empty
) -> tuple[np.ndarray, ...]:
    """The part of each clip that its box holds; every frame is decoded once, whole, into the same warm memory."""
    clips = [clip for clip in (draw.clips[V1], draw.clips[V2]) if clip is not None]
    places: dict[int, list[tuple[int, int]]] = {}  # position -> where it is shown: (clip, frame)
    for number, clip in enumerate(clips):
        for t, position in enumerate(clip.positions().tolist()):
            places.setdefault(position, []).append((number, t))
    cut = tuple(
        empty((clip.length, box.bottom - box.top, box.right - box.left, 3), np.uint8)
        for clip, box in zip(clips, boxes, strict=False)
    )
    whole = np.empty((*size, 3), np.uint8)
    for position, shown in places.items():
        _decode_into(whole, row, position)
        for number, t in shown:
            box = boxes[number]
            cut[number][t] = whole[box.top : box.bottom, box.left : box.right]
    return cut


def _decode_into(whole: np.ndarray, row: StoredRow, position: int) -> None:
    try:
        shape = simplejpeg.decode_jpeg(row.frames[position], "RGB", fastdct=True, buffer=whole).shape
    except ValueError:  # no JPEG, or one that is too large for the buffer
        shape = (*simplejpeg.decode_jpeg_header(row.frames[position])[:2], 3)
        if shape == whole.shape:
            raise
    if shape != whole.shape:
        raise JobError(f"{row.clip_id} holds frames of unequal sizes", code="bad_table")


def decode_frames(row: StoredRow, positions: Sequence[int]) -> np.ndarray:
    """The whole frames at `positions`, each decoded once: (n, H, W, 3) uint8."""
    height, width, *_ = simplejpeg.decode_jpeg_header(row.frames[positions[0]])
    frames = np.empty((len(positions), height, width, 3), np.uint8)
    place: dict[int, int] = {}
    for at, position in enumerate(positions):
        earlier = place.setdefault(position, at)
        if earlier < at:
            frames[at] = frames[earlier]
        else:
            _decode_into(frames[at], row, position)
    return frames


def _cut_wave(sound: np.ndarray, start: int, length: int, backward: bool, empty: Empty) -> np.ndarray:
    cut = sound[start : start + length]
    wave = empty(cut.shape, cut.dtype)
    wave[:] = cut[::-1] if backward else cut
    return wave
