"""Labelled clips to train on: which rows, what is cut from a row, and how clips become a batch on the device."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from evaluation.embedder import ClipShape
from evaluation.finetune.config import FinetuneConfig
from evaluation.items import Video
from evaluation.windows import frame_indices
from pipelines.table import RowGroup
from trainer.arena import Arena
from trainer.augment import Canvas, apply_audio, apply_video, draw_audio, draw_video
from trainer.batch import on_canvas
from trainer.input import assemble, bundles
from trainer.objective import FULL_SCALE
from trainer.plan import Piece, Plan, Shape
from trainer.reads import TrainGroup
from trainer.sample import Sample, StoredRow, decode_audio, decode_frames
from trainer.sound import LogMel, speed_up
from trainer.stored import StoredRows, open_rows
from trainer.stream import Job, packed, stream

_EXAMPLE = 8  # tag of the generator of clips
_NO_WAVE = np.zeros(0, np.int16)
_BATCHES_AN_EPOCH = 4
Classes = Mapping[tuple[str, int], np.ndarray]
"""For each row group, by path and index, the class number of each of its rows, (rows,); -1: not trained on."""


@dataclass(frozen=True)
class Example:
    """One labelled clip; the array of the other modality has length 0."""

    index: int  # global sample index
    label: int
    frames: np.ndarray  # (1, T, H, W, 3) uint8
    wave: np.ndarray  # (samples,) int16
    params: np.ndarray  # of the augmentation


@dataclass(frozen=True)
class TrainingSet:
    """The rows of the training videos, and the class of each."""

    groups: list[TrainGroup]
    classes: Classes

    @property
    def segments(self) -> int:
        """Rows that are trained on."""
        return sum(len(group.rows) for group in self.groups)

    def plan(self, config: FinetuneConfig, seed: int) -> Plan:
        """The order of clips. Few rows are taken several times an epoch, for it leaves up to a lane's worth out."""
        times = max(1, -(-_BATCHES_AN_EPOCH * config.batch_size // self.segments))
        shape = Shape(config.lanes, config.batch_size, config.window_row_groups, times)
        return Plan(self.groups, None, seed, shape)


def training_set(
    videos: Sequence[Video],
    labels: np.ndarray,
    train: Iterable[int],
    classes: Sequence[str],
    groups: Sequence[RowGroup],
    modality: str,
) -> TrainingSet:
    """Every row of the videos `train` (indices) that has the modality; `labels` (V,), `groups` of the table."""
    place = {name: number for number, name in enumerate(classes)}
    by_group: dict[int, dict[int, int]] = {}
    for index in train:
        for segment in videos[index].segments:
            if segment.n_frames > 0 if modality == "video" else segment.sound_s is not None:
                by_group.setdefault(segment.group, {})[segment.row] = place[labels[index]]
    found, numbers = [], {}
    for number, rows in sorted(by_group.items()):
        group = groups[number]
        of_rows = np.full(group.rows, -1, np.int32)
        of_rows[list(rows)] = list(rows.values())
        numbers[group.path, group.index] = of_rows
        found.append(TrainGroup(group, np.array(sorted(rows), np.int32)))
    return TrainingSet(found, numbers)


@dataclass(frozen=True)
class Cutter:
    """Cuts clips out of rows; as a task of Ray Data: pickled pieces in, pickled examples out."""

    classes: Classes
    shape: ClipShape
    config: FinetuneConfig
    seed: int

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        """Jobs in, a table of examples for each out."""
        for blob in batch.column("job"):
            examples = list(self.cut(pickle.loads(blob.as_py())))
            yield packed(cast(list[tuple[int, Sample | None]], examples), Arena())

    def cut(self, pieces: Sequence[Piece]) -> Iterator[tuple[int, Example]]:
        """Read the pieces' row groups, each once, and cut the clips, in order: (lane, example)."""
        read: Any = cache(open_rows)

        @cache
        def opened(group: RowGroup, row: int) -> tuple[StoredRow, np.ndarray]:
            rows: StoredRows = read(group)
            stored = rows[row]
            return stored, _NO_WAVE if self.is_video else decode_audio(stored, self.shape.sample_rate)

        for piece in pieces:
            for number, row, index in piece.samples.tolist():
                group = piece.groups[number]
                label = int(self.classes[group.path, group.index][row])
                yield piece.lane, self.example(*opened(group, row), label, index)

    @property
    def is_video(self) -> bool:
        """Whether pictures are cut, and not sound."""
        return self.shape.modality == "video"

    def example(self, row: StoredRow, sound: np.ndarray, label: int, index: int) -> Example:
        """A clip that begins anywhere in the row; every random choice is keyed by (seed, global sample index)."""
        rng = np.random.default_rng((self.seed, _EXAMPLE, index))
        length = self.shape.length
        if self.is_video:
            start = int(rng.integers(max(row.n_frames - length, 0) + 1))
            frames = decode_frames(row, frame_indices(row.n_frames, start, length))  # (T, H, W, 3)
            params = draw_video(rng, self.config.augment, frames.shape[2] / frames.shape[1])
            return Example(index, label, frames[None], _NO_WAVE, params)
        begin, end = row.audio_valid or (0.0, 0.0)
        first, last = (round(max(edge, 0.0) * self.shape.sample_rate) for edge in (begin, end))
        start = first + int(rng.integers(max(min(last, sound.size) - first - length, 0) + 1))
        window = sound[start : start + length]
        wave = np.pad(window, (0, length - window.size))  # as in the test: silence beyond the end
        return Example(
            index, label, np.zeros((0, 0, 0, 0, 3), np.uint8), wave, draw_audio(rng, self.config.augment)
        )


@dataclass
class LabelledBatch:
    """This worker's clips of one step."""

    clips: Tensor  # (B, T, H, W, 3) uint8 canvas, or (B, samples) int16
    sizes: Tensor  # (B, 2) picture height and width on the canvas; (0, 2) of sound
    params: Tensor  # (B, P) of the augmentation
    labels: Tensor  # (B,)

    def see(self, size: int, log_mel: LogMel | None, device: torch.device) -> tuple[Tensor, Tensor]:
        """Augmented on the device, in float32: what the encoder sees, and the labels."""
        clips, params = self.clips.to(device, non_blocking=True), self.params.to(device, non_blocking=True)
        if log_mel is None:
            seen = apply_video(Canvas(clips, self.sizes.to(device)), params, size)
            seen = seen.contiguous(memory_format=torch.channels_last_3d)
        else:
            seen = apply_audio(log_mel(speed_up(clips.float() / FULL_SCALE, 1)), params)
        return seen, self.labels.to(device, non_blocking=True)


def collate(examples: Sequence[Example], shape: ClipShape) -> LabelledBatch:
    """Put examples together."""
    sizes = torch.zeros(0, 2, dtype=torch.int64)
    if shape.modality == "video":
        clips, sizes = on_canvas([clip for e in examples for clip in e.frames], shape.length)
    else:
        clips = torch.from_numpy(np.stack([e.wave for e in examples]))
    return LabelledBatch(
        clips,
        sizes,
        torch.from_numpy(np.stack([e.params for e in examples])),
        torch.tensor([e.label for e in examples], dtype=torch.int64),
    )


def labelled_batches(
    plan: Plan, cutter: Cutter, rank: int, first_step: int, last_step: int
) -> Iterator[LabelledBatch]:
    """This worker's part of every batch from `first_step` on, through Ray Data.

    The same clips come in the same order whatever the timing or the step begun at.
    """
    each = plan.shape.lanes // cutter.config.workers
    lanes = range(rank * each, (rank + 1) * each)
    pieces = plan.pieces(lanes, first_step, last_step)
    jobs = (Job(pickle.dumps(bundle), sum(len(p.samples) for p in bundle)) for bundle in bundles(pieces))
    rows = stream(jobs, cutter, least=each)
    for examples in assemble(rows, lanes, plan.shape.per_lane):
        yield collate(cast(list[Example], examples), cutter.shape)
