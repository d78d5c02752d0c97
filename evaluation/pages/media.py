"""What pages show of videos: small square pictures and the beginning of the sound, read from the clip table."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import simplejpeg
import soundfile
import torch
from torch.nn import functional

from evaluation.items import Segment, Video
from pipelines.audio import encode_flac
from pipelines.table import RowGroup, read_row_group

SOUND_S = 4.0
"""Of a longer sound only the beginning is on a page."""
_QUALITY = 72
_RANGE_DB = 70.0  # from the loudest point of a spectrogram down to black


@dataclass(frozen=True)
class Media:
    """Square RGB pictures of a video, uint8 (n, side, side, 3), and its sound as FLAC where it was asked for.

    A video without pictures has the spectrogram of its sound, time from left to right.
    """

    pictures: npt.NDArray[np.uint8]
    sound: bytes | None


def read_media(
    videos: Sequence[Video],
    groups: Sequence[RowGroup],
    wanted: Iterable[int],
    pictures: int,
    side: int,
    sound: bool,
) -> dict[int, Media]:
    """Index of each wanted video -> what is shown of its first segment, one row group in memory at a time."""
    by_group: dict[int, list[tuple[int, Segment]]] = {}
    for index in sorted(set(wanted)):
        segment = _shown(videos[index])
        if segment is not None:
            by_group.setdefault(segment.group, []).append((index, segment))
    found = {}
    for number, places in sorted(by_group.items()):
        rows = read_row_group(groups[number], ["frames", "audio"] if _hears(places, sound) else ["frames"])
        for index, segment in places:
            jpegs = rows["frames"][segment.row].as_py() or []
            flac = rows["audio"][segment.row].as_py() if "audio" in rows.column_names else None
            heard = None if flac is None or segment.sound_s is None else _heard(flac, segment.sound_s)
            found[index] = Media(
                _pictures(jpegs, heard, pictures, side),
                encode_flac(*heard) if sound and heard is not None else None,
            )
    return found


def jpeg(picture: npt.NDArray[np.uint8]) -> bytes:
    """A picture (H, W, 3) as a file."""
    return simplejpeg.encode_jpeg(np.ascontiguousarray(picture), _QUALITY, "RGB", "420")


def square(file: bytes, side: int) -> npt.NDArray[np.uint8]:
    """The centre square of a JPEG, scaled to (side, side, 3)."""
    picture = torch.from_numpy(simplejpeg.decode_jpeg(file, min_height=side, min_width=side))
    height, width = picture.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    middle = picture[top : top + edge, left : left + edge].permute(2, 0, 1)[None].float()
    scaled = functional.interpolate(middle, (side, side), mode="bilinear", antialias=True)
    return scaled[0].round().clamp(0, 255).byte().permute(1, 2, 0).numpy()


def spectrogram(samples: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.uint8]:
    """Power of a sound in dB as a grey picture (side, side, 3): time to the right, octaves upwards."""
    size = 512
    padded = np.pad(samples, (0, max(0, size - samples.size)))
    starts = np.linspace(0, padded.size - size, side).astype(int)
    power = np.abs(np.fft.rfft(padded[starts[:, None] + np.arange(size)] * np.hanning(size))) ** 2
    bins = np.geomspace(2, size // 2, side).astype(int)
    level = 10 * np.log10(power[:, bins[::-1]].T + 1e-10)
    grey = np.clip((level - level.max()) / _RANGE_DB + 1, 0, 1) * 255
    return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)


def _shown(video: Video) -> Segment | None:
    """The first segment with pictures, else the first with sound."""
    seen = (segment for segment in video.segments if segment.n_frames > 0)
    heard = (segment for segment in video.segments if segment.sound_s is not None)
    return next(seen, None) or next(heard, None)


def _hears(places: Sequence[tuple[int, Segment]], sound: bool) -> bool:
    return sound or any(segment.n_frames == 0 for _, segment in places)


def _heard(flac: bytes, sound_s: tuple[float, float]) -> tuple[npt.NDArray[np.float32], int]:
    """Samples and rate of the part that the source has sound for, up to `SOUND_S`."""
    samples, rate = soundfile.read(io.BytesIO(flac), dtype="float32")
    first = max(0, round(sound_s[0] * rate))
    return samples[first : min(round(sound_s[1] * rate), first + round(SOUND_S * rate))], rate


def _pictures(
    jpegs: Sequence[bytes], heard: tuple[npt.NDArray[np.float32], int] | None, count: int, side: int
) -> npt.NDArray[np.uint8]:
    if jpegs:
        # The middles of equal parts: not the very first frame, which is often a fade or a cut.
        return np.stack(
            [square(jpegs[int((i + 0.5) * len(jpegs) / count)], side) for i in range(min(count, len(jpegs)))]
        )
    if heard is None:
        return np.empty((0, side, side, 3), np.uint8)
    return spectrogram(heard[0], side)[None]
