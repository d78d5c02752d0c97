"""From the rows of a row group to features: decode the clips that are asked for, embed, in one process."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa
import simplejpeg
import soundfile

from evaluation.windows import crop_squares, frame_indices

Modality = Literal["video", "audio"]


class Encoder(Protocol):
    """What is needed of a `trainer.export.Export`."""

    def embed(self, video: np.ndarray | None = None, audio: np.ndarray | None = None) -> object:
        """Features of a batch of clips: an object with `.video` (N, Dv) and `.audio` (N, Da)."""


@dataclass(frozen=True)
class ClipRequest:
    """A clip of a row: `start` in frames or samples; `owner` numbers its video, `clip` it within the video."""

    row: int
    owner: int
    clip: int
    start: int


@dataclass(frozen=True)
class ClipShape:
    """What is cut: modality, length in frames or samples, squares a clip, and the sound's samples a second."""

    modality: Modality
    length: int
    crops: int
    sample_rate: int


@dataclass(frozen=True)
class Embedded:
    """Features of N views (clips x crops) by network name, with the video and the clip of each."""

    owner: np.ndarray  # (N,) int64
    clip: np.ndarray  # (N,) int64
    vectors: dict[str, np.ndarray]  # name -> (N, D) float32


View = tuple[np.ndarray, ClipRequest]


def embed_rows(
    rows: pa.Table,
    requests: Sequence[ClipRequest],
    shape: ClipShape,
    networks: Mapping[str, Encoder],
    batch_size: int,
) -> Embedded:
    """Embed the requested clips by every network; each row is decoded once, in the order of the rows."""
    of: list[ClipRequest] = []
    parts: dict[str, list[np.ndarray]] = {name: [] for name in networks}
    for batch, batch_of in clip_batches(rows, requests, shape, batch_size):
        of += batch_of
        for name, network in networks.items():
            features = network.embed(**{shape.modality: batch})
            parts[name].append(np.asarray(getattr(features, shape.modality), dtype=np.float32))
    return Embedded(
        owner=np.array([request.owner for request in of], np.int64),
        clip=np.array([request.clip for request in of], np.int64),
        vectors={name: np.concatenate(part) for name, part in parts.items()},
    )


def clip_batches(
    rows: pa.Table, requests: Sequence[ClipRequest], shape: ClipShape, batch_size: int
) -> Iterator[tuple[np.ndarray, list[ClipRequest]]]:
    """The requested clips in batches of equal shape, (B, ...), each with its requests."""
    return _batches(_views(rows, requests, shape), batch_size)


def _views(rows: pa.Table, requests: Sequence[ClipRequest], shape: ClipShape) -> Iterator[View]:
    by_row: dict[int, list[ClipRequest]] = {}
    for request in requests:
        by_row.setdefault(request.row, []).append(request)
    for row in sorted(by_row):
        cut = _video_views if shape.modality == "video" else _audio_views
        yield from cut(rows, row, by_row[row], shape)


def _video_views(
    rows: pa.Table, row: int, requests: Sequence[ClipRequest], shape: ClipShape
) -> Iterator[View]:
    """Squares of clips, (T, side, side, 3) uint8; one crop: the whole frame, whose centre the network takes."""
    jpegs = rows["frames"][row].as_py()
    decoded: dict[int, np.ndarray] = {}
    for request in requests:
        wanted = frame_indices(len(jpegs), request.start, shape.length)
        for index in wanted:
            if index not in decoded:
                decoded[index] = simplejpeg.decode_jpeg(jpegs[index], colorspace="RGB")
        clip = np.stack([decoded[index] for index in wanted])  # (T, H, W, 3)
        if shape.crops == 1:
            yield clip, request
            continue
        for top, left, side in crop_squares(clip.shape[1], clip.shape[2], shape.crops):
            yield clip[:, top : top + side, left : left + side], request


def _audio_views(
    rows: pa.Table, row: int, requests: Sequence[ClipRequest], shape: ClipShape
) -> Iterator[View]:
    """Windows of sound, (samples,) float32; beyond the end of the recording there is silence."""
    sound = decode_sound(rows["audio"][row].as_py(), shape.sample_rate)
    for request in requests:
        window = sound[request.start : request.start + shape.length]
        yield np.pad(window, (0, shape.length - window.size)), request


def decode_sound(flac: bytes, sample_rate: int) -> np.ndarray:
    """FLAC -> (samples,) float32 in [-1, 1]; raises ValueError at another sample rate than expected."""
    sound, rate = soundfile.read(io.BytesIO(flac), dtype="float32")
    if rate != sample_rate:
        raise ValueError(f"the table's sound has {rate} samples a second, expected {sample_rate}")
    return sound


def _batches(views: Iterator[View], batch_size: int) -> Iterator[tuple[np.ndarray, list[ClipRequest]]]:
    """Stack views of equal shape, (B, ...); a batch ends early where the shape changes."""
    pending: list[View] = []
    for view in views:
        if pending and (len(pending) == batch_size or view[0].shape != pending[0][0].shape):
            yield _stacked(pending)
            pending = []
        pending.append(view)
    if pending:
        yield _stacked(pending)


def _stacked(views: Sequence[View]) -> tuple[np.ndarray, list[ClipRequest]]:
    return np.stack([array for array, _ in views]), [request for _, request in views]
