"""Samples put together: the clips of both modalities, and the labels of every task."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainer.augment import AUDIO_PARAMS, VIDEO_PARAMS, Canvas
from trainer.config import PretrainConfig
from trainer.sample import Sample
from trainer.speeds import A1, A2, V1, V2

_CANVAS_STEP = 32  # pixels
DIGEST_RANGE = 2**40
"""Digests of samples are numbers below this: sums of thousands of them fit int64, and each a float64 exactly."""


@dataclass
class ClipLabels:
    """What is known of N clips of one modality."""

    speed: Tensor  # (N,) class
    speed_valid: Tensor  # (N,) bool: whether speed may be asked for
    backward: Tensor  # (N,) 0 forward, 1 backward
    feasible: Tensor  # (N,) number of speeds it could have had
    largest: Tensor  # (N,) probability of the likeliest of them


@dataclass
class Batch:
    """B samples; `video_row` and `audio_row` say where a window's clip is, -1 where it is absent."""

    video_ids: list[str]
    clip_ids: list[str]
    index: Tensor  # (B,) global sample index
    key: Tensor  # (B,) int64 hash of data set and video id
    video_row: Tensor  # (B, 2) row among the N video clips
    audio_row: Tensor  # (B, 2) row among the M audio clips
    target: Tensor  # (B,) index into TARGET_PAIRS, -1: no order task
    order: Tensor  # (B,) class of the target pair
    frames: Tensor  # (N, T, H, W, 3) uint8 canvas
    sizes: Tensor  # (N, 2) picture height and width on the canvas
    video_params: Tensor  # (N, len(VIDEO_PARAMS))
    video: ClipLabels
    waves: list[tuple[int, Tensor, Tensor]]  # by speed: (speed, (n, L * speed) int16, (n,) rows among M)
    audio_params: Tensor  # (M, len(AUDIO_PARAMS))
    audio: ClipLabels

    def __len__(self) -> int:
        return len(self.clip_ids)

    @property
    def canvas(self) -> Canvas:
        """The video clips."""
        return Canvas(self.frames, self.sizes)

    def digest(self) -> int:
        """Names the batch's samples whatever their order: the sum of a hash of each one's index and clip."""
        return sum(map(sample_digest, self.index.tolist(), self.clip_ids))

    def to(self, device: torch.device) -> Batch:
        """The batch with all tensors on `device`."""
        return self._mapped(lambda tensor: tensor.to(device, non_blocking=True))

    def pin(self) -> Batch:
        """The batch in memory that a GPU can copy from while it computes."""
        return self._mapped(Tensor.pin_memory)

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Batch:
        def mapped(value: object) -> object:
            if isinstance(value, Tensor):
                return change(value)
            if isinstance(value, ClipLabels):
                return ClipLabels(*(change(getattr(value, f.name)) for f in dataclasses.fields(value)))
            return value

        values = {f.name: mapped(getattr(self, f.name)) for f in dataclasses.fields(self)}
        values["waves"] = [(s, change(wave), change(rows)) for s, wave, rows in self.waves]
        return Batch(**values)  # type: ignore[arg-type]


def video_key(dataset: str | None, video_id: str) -> int:
    """A signed 64-bit hash that names a video in masks and memory banks (method, section 4)."""
    digest = hashlib.blake2b(f"{dataset or ''}\0{video_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def sample_digest(index: int, clip_id: str) -> int:
    """A hash of one sample, below DIGEST_RANGE."""
    return int.from_bytes(hashlib.blake2b(f"{index}:{clip_id}".encode(), digest_size=5).digest(), "big")


def collate(samples: Sequence[Sample], config: PretrainConfig) -> Batch:
    """Put samples together. Video clips come window by window of each sample, and so do audio clips."""
    video_row = _rows(samples, (V1, V2))
    audio_row = _rows(samples, (A1, A2))
    frames, sizes = on_canvas([clip for s in samples for clip in s.frames], config.video.n_frames)
    with_video = [s for s in samples if s.draw.clips[V1] is not None]
    with_audio = [s for s in samples if s.draw.clips[A1] is not None]
    return Batch(
        video_ids=[s.video_id for s in samples],
        clip_ids=[s.clip_id for s in samples],
        index=torch.tensor([s.index for s in samples], dtype=torch.int64),
        key=torch.tensor([video_key(s.dataset, s.video_id) for s in samples], dtype=torch.int64),
        video_row=video_row,
        audio_row=audio_row,
        target=torch.tensor([s.draw.target for s in samples], dtype=torch.int64),
        order=torch.tensor([s.draw.order for s in samples], dtype=torch.int64),
        frames=frames,
        sizes=sizes,
        video_params=_stack([s.video_params for s in with_video], len(VIDEO_PARAMS)),
        video=_labels(with_video, (V1, V2)),
        waves=_waves(with_audio),
        audio_params=_stack([s.audio_params for s in with_audio], len(AUDIO_PARAMS)),
        audio=_labels(with_audio, (A1, A2)),
    )


def _rows(samples: Sequence[Sample], axes: tuple[int, int]) -> Tensor:
    rows = torch.full((len(samples), 2), -1, dtype=torch.int64)
    count = 0
    for i, sample in enumerate(samples):
        if sample.draw.clips[axes[0]] is not None:
            rows[i] = torch.tensor([count, count + 1])
            count += 2
    return rows


def on_canvas(clips: Sequence[np.ndarray], n_frames: int) -> tuple[Tensor, Tensor]:
    """Clips, each (T, h, w, 3), on one canvas, and their heights and widths: what `Canvas` holds."""
    if not clips:
        return torch.zeros(0, n_frames, 0, 0, 3, dtype=torch.uint8), torch.zeros(0, 2, dtype=torch.int64)
    sizes = np.array([clip.shape[1:3] for clip in clips])
    # Sampling rounds by the size of the canvas: in steps, it is hardly ever another for a part of a batch.
    height, width = -(-sizes.max(axis=0) // _CANVAS_STEP) * _CANVAS_STEP
    canvas = np.zeros((len(clips), n_frames, height, width, 3), np.uint8)
    for i, clip in enumerate(clips):
        h, w = clip.shape[1:3]
        canvas[i, :, :h, :w] = clip
        # Bilinear sampling at the picture's edge looks one pixel further: repeat the edge there.
        canvas[i, :, h : h + 1, :w] = clip[:, -1:]
        canvas[i, :, :h, w : w + 1] = clip[:, :, -1:]
    return torch.from_numpy(canvas), torch.from_numpy(sizes)


def _waves(samples: Sequence[Sample]) -> list[tuple[int, Tensor, Tensor]]:
    by_speed: dict[int, list[tuple[int, np.ndarray]]] = {}
    for i, sample in enumerate(samples):
        for k, axis in enumerate((A1, A2)):
            clip = sample.draw.clips[axis]
            assert clip is not None
            by_speed.setdefault(clip.step, []).append((2 * i + k, sample.waves[k]))
    return [
        (speed, torch.from_numpy(np.stack([w for _, w in items])), torch.tensor([row for row, _ in items]))
        for speed, items in sorted(by_speed.items())
    ]


def _labels(samples: Sequence[Sample], axes: tuple[int, int]) -> ClipLabels:
    picked = [(s, axis, s.draw.clips[axis]) for s in samples for axis in axes]
    is_video = axes[0] == V1
    return ClipLabels(
        speed=torch.tensor([c.speed for _, _, c in picked if c is not None], dtype=torch.int64),
        speed_valid=torch.tensor(
            [s.true_video_speed or not is_video for s, _, _ in picked], dtype=torch.bool
        ),
        backward=torch.tensor([c.backward for _, _, c in picked if c is not None], dtype=torch.int64),
        feasible=torch.tensor([s.draw.feasible[axis] for s, axis, _ in picked], dtype=torch.float32),
        largest=torch.tensor([s.draw.largest[axis] for s, axis, _ in picked], dtype=torch.float32),
    )


def _stack(params: list[np.ndarray], columns: int) -> Tensor:
    if not params:
        return torch.zeros(0, columns)
    return torch.from_numpy(np.concatenate(params))
