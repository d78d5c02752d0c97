"""Sound on the device: band-limited speed-up and level-free log-mel spectrograms."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from trainer.config import AudioConfig

# One low-pass for every speed, 1 included: flat to 7/8 of the output's Nyquist frequency, then a raised cosine.
_PASS_EDGE = 0.875
_PAD = 32  # samples of silence, after speed-up, on both sides: keeps the FFT's wrap-around out of the clip


def speed_up(wave: Tensor, speed: int) -> Tensor:
    """Play a wave `speed` times faster, like a tape, band-limited: (N, L * speed) -> (N, L).

    Resampling by truncating the spectrum: only frequencies below the output's Nyquist frequency remain, weighted
    by one response that is the same function of *output* frequency at every speed, so that the filter's mark on
    the sound does not tell the speed.
    """
    length = wave.shape[-1] // speed + 2 * _PAD
    padded = nn.functional.pad(wave, (_PAD * speed, _PAD * speed))
    spectrum = torch.fft.rfft(padded)[..., : length // 2 + 1]  # (N, length // 2 + 1)
    slow = torch.fft.irfft(spectrum * _response(length, wave.device), n=length) / speed
    return slow[..., _PAD:-_PAD]


@lru_cache(maxsize=32)
def _response(length: int, device: torch.device) -> Tensor:
    x = torch.linspace(0, 1, length // 2 + 1, device=device)
    fall = ((x - _PASS_EDGE) / (1 - _PASS_EDGE)).clamp(0, 1)
    return 0.5 * (1 + torch.cos(torch.pi * fall))


class LogMel(nn.Module):
    """Log-mel spectrograms whose mean level has been taken out, clip by clip.

    Loudness betrays speed (band-limited speed-up takes 3 dB a doubling from noise), so every clip's mean log-mel
    is removed before any augmentation of gain or noise.
    """

    def __init__(self, config: AudioConfig, sample_rate: int) -> None:
        super().__init__()
        self.config, self.sample_rate = config, sample_rate
        self.hop = round(config.hop_s * sample_rate)
        self.n_window = round(config.window_s * sample_rate)
        self.n_fft = 1 << (self.n_window - 1).bit_length()
        top = min(config.f_max, _PASS_EDGE * sample_rate / 2)
        bank = mel_filterbank(config.n_mels, self.n_fft, sample_rate, config.f_min, top)
        self.bank: Tensor
        self.window: Tensor
        self.register_buffer("bank", torch.from_numpy(bank).float(), persistent=False)
        self.register_buffer("window", torch.hann_window(self.n_window), persistent=False)

    def frames(self, seconds: float) -> int:
        """Frames of the spectrogram of a wave of some length."""
        return (round(seconds * self.sample_rate) - self.n_fft) // self.hop + 1

    def forward(self, wave: Tensor) -> Tensor:
        """(N, L) in [-1, 1] -> (N, n_mels, frames), natural logarithm, mean 0 a clip."""
        spectrum = torch.stft(
            wave,
            self.n_fft,
            self.hop,
            self.n_window,
            self.window,
            center=False,
            return_complex=True,
        )  # (N, n_fft // 2 + 1, frames)
        # Relative to the clip's own power, so that the floor means the same for a quiet and a loud clip.
        power = spectrum.abs().square()
        power = power / power.mean(dim=(1, 2), keepdim=True).clamp_min(1e-12)
        mel = torch.log(self.bank @ power + self.config.power_floor)
        return mel - mel.mean(dim=(1, 2), keepdim=True)


def mel_filterbank(n_mels: int, n_fft: int, sample_rate: int, f_min: float, f_max: float) -> np.ndarray:
    """Slaney's mel filters with unit area (Auditory Toolbox, 1998): (n_mels, n_fft // 2 + 1)."""
    edges = _mel_to_hz(np.linspace(_hz_to_mel(f_min), _hz_to_mel(f_max), n_mels + 2))
    bins = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.clip(np.minimum(rising, falling), 0, None)
    return triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]


# Slaney's scale: linear (3 mel per 200 Hz) up to 1000 Hz, logarithmic (27 mel per factor 6.4) above.
_KNEE_HZ, _KNEE_MEL = 1000.0, 15.0
_LOG_STEP = np.log(6.4) / 27.0


def _hz_to_mel(hz: float) -> float:
    if hz < _KNEE_HZ:
        return hz * 3 / 200
    return _KNEE_MEL + float(np.log(hz / _KNEE_HZ)) / _LOG_STEP


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    low = mel * 200 / 3
    high = _KNEE_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _KNEE_MEL) - _KNEE_MEL))
    return np.where(mel < _KNEE_MEL, low, high)
