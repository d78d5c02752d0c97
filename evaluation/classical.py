"""Classical descriptors of a clip, to be measured by the same protocols: what is there to see without learning."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.fft import dct

from trainer.sound import mel_filterbank

VERSION = 1
"""Changes with what is computed: kept features of another version are not used."""

_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_COLOUR_BINS, _EDGE_BINS, _CELLS = 16, 8, 4
_WINDOW_S, _HOP_S, _BANDS, _COEFFICIENTS = 0.032, 0.010, 64, 20
_LOWEST_HZ, _FLOOR = 60.0, 1e-10


@dataclass
class Described:
    """Descriptors of N clips of one modality."""

    video: npt.NDArray[np.float32] | None = None  # (N, D)
    audio: npt.NDArray[np.float32] | None = None  # (N, D)


class Classical:
    """Has the `embed` of an export and no weights."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate

    def embed(
        self, video: npt.NDArray[np.uint8] | None = None, audio: npt.NDArray[np.float32] | None = None
    ) -> Described:
        """`video`: (N, T, H, W, 3) uint8, of which the centre square is seen; `audio`: (N, samples) float."""
        return Described(
            None if video is None else np.stack([describe_video(clip) for clip in video]),
            None if audio is None else np.stack([self._spectra.moments(wave) for wave in audio]),
        )

    @cached_property
    def _spectra(self) -> Spectra:
        return Spectra(self._sample_rate)


def describe_video(clip: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Histograms of colour and of edge direction, and motion energy, of one clip (T, H, W, 3): (D,)."""
    height, width = clip.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = clip[:, top : top + side, left : left + side]
    grey = square.astype(np.float32) @ _GREY / 255  # (T, side, side)
    return np.concatenate([_colours(square), _edges(grey), _motion(grey)]).astype(np.float32)


def _colours(square: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """The share of pixels in each of 16 levels, a channel each: (48,)."""
    levels = square.reshape(-1, 3) // (256 // _COLOUR_BINS)
    return np.concatenate([np.bincount(levels[:, c], minlength=_COLOUR_BINS) / len(levels) for c in range(3)])


def _edges(grey: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Gradient strength by direction (8 of a half turn) in each of 4 x 4 cells, mean over frames: (128,)."""
    dy, dx = np.gradient(grey, axis=(1, 2))
    direction = (np.arctan2(dy, dx) % np.pi / np.pi * _EDGE_BINS).astype(int) % _EDGE_BINS
    place = _cells(grey.shape[1])[None] * _EDGE_BINS + direction
    sums = np.bincount(place.ravel(), weights=np.hypot(dx, dy).ravel(), minlength=_CELLS**2 * _EDGE_BINS)
    return sums / grey[..., 0].size * _CELLS**2 / grey.shape[1]


def _motion(grey: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Mean and deviation over time of the change from frame to frame in each of 4 x 4 cells: (32,)."""
    change = np.abs(np.diff(grey, axis=0)).reshape(len(grey) - 1, -1)  # (T - 1, pixels)
    cell = _cells(grey.shape[1]).ravel()
    count = np.bincount(cell, minlength=_CELLS**2)
    energy = np.stack([np.bincount(cell, weights=step, minlength=_CELLS**2) / count for step in change])
    return np.concatenate([energy.mean(axis=0), energy.std(axis=0)])


def _cells(side: int) -> npt.NDArray[np.intp]:
    """The number of the cell that each pixel of a square lies in, (side, side)."""
    line = np.arange(side) * _CELLS // side
    return line[:, None] * _CELLS + line[None, :]


class Spectra:
    """Log-mel spectra and their cepstra (MFCC) of sound at one sample rate."""

    def __init__(self, sample_rate: int) -> None:
        self._hop = round(_HOP_S * sample_rate)
        self._n_window = round(_WINDOW_S * sample_rate)
        self._n_fft = 1 << (self._n_window - 1).bit_length()
        self._bank = mel_filterbank(_BANDS, self._n_fft, sample_rate, _LOWEST_HZ, 0.49 * sample_rate)
        self._window = np.hanning(self._n_window)

    def moments(self, wave: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Means over time of log-mels, MFCC and the MFCC's change, and of the squares of all three: (208,).

        Means, so that the mean over windows of a recording is that of the recording: see `statistics`.
        """
        mel = self._log_mel(wave)  # (frames, bands)
        mfcc = dct(mel, norm="ortho", axis=1)[:, :_COEFFICIENTS]
        change = np.diff(mfcc, axis=0) if len(mfcc) > 1 else np.zeros_like(mfcc)
        parts = [*(part.mean(axis=0) for part in (mel, mfcc, change))]
        parts += [np.square(part).mean(axis=0) for part in (mel, mfcc, change)]
        return np.concatenate(parts).astype(np.float32)

    def _log_mel(self, wave: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        padded = np.pad(wave, (0, max(0, self._n_window - wave.size)))
        frames = np.lib.stride_tricks.sliding_window_view(padded, self._n_window)[:: self._hop]
        power = np.abs(np.fft.rfft(frames * self._window, self._n_fft)) ** 2
        return np.log(power @ self._bank.T + _FLOOR)


def statistics(moments: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Mean and standard deviation from the mean and the mean square: (N, 2 n) -> (N, 2 n)."""
    mean, square = np.split(np.asarray(moments, np.float64), 2, axis=1)
    return np.hstack([mean, np.sqrt(np.maximum(square - mean**2, 0))]).astype(np.float32)
