from __future__ import annotations

import numpy as np
import pytest
import torch

from trainer.config import AudioConfig
from trainer.sound import LogMel, mel_filterbank, speed_up

RATE = 8000


def tone(hz: float, n: int) -> torch.Tensor:
    return torch.sin(2 * torch.pi * hz * torch.arange(n, dtype=torch.float64) / RATE)[None].float()


@pytest.mark.parametrize("speed", [1, 2, 4, 8])
def test_a_tone_is_raised_by_the_speed_and_keeps_its_level(speed):
    played = speed_up(tone(200.0, 4000 * speed), speed)[0]
    assert played.shape == (4000,)
    middle = played[500:-500].double()
    expected = tone(200.0 * speed, 4000)[0][500:-500].double()
    assert torch.linalg.norm(middle - expected) / torch.linalg.norm(expected) < 0.01


@pytest.mark.parametrize("speed", [2, 4, 8])
def test_what_would_fold_back_is_taken_out(speed):
    above = 1.05 * RATE / 2 / speed  # just above the output's Nyquist frequency
    assert speed_up(tone(above, 4000 * speed), speed)[0, 200:-200].abs().max() < 0.02


def test_speeding_up_against_a_slow_float64_resampler():
    wave = np.random.default_rng(0).normal(size=600 * 2)
    fast = speed_up(torch.from_numpy(wave)[None], 2)[0].numpy()
    n = 600 + 64
    padded = np.pad(wave, 64)
    t, f = np.arange(2 * n), np.arange(n // 2 + 1)
    spectrum = np.array([(padded * np.exp(-2j * np.pi * k * t / (2 * n))).sum() for k in f])
    x = f / (n / 2)
    spectrum *= 0.5 * (1 + np.cos(np.pi * np.clip((x - 0.875) / 0.125, 0, 1)))
    weight = np.where((f == 0) | (f == n / 2), 1, 2)
    at = np.arange(n)
    slow = np.array([(weight * (spectrum * np.exp(2j * np.pi * f * i / n)).real).sum() for i in at]) / (2 * n)
    np.testing.assert_allclose(fast, slow[32:-32], atol=1e-5)


def test_noise_looks_alike_at_every_speed():
    """Stationary noise must not tell the speed: band means agree over speeds, and levels are taken out."""
    generator = torch.Generator().manual_seed(0)
    log_mel = LogMel(AudioConfig(n_mels=40, f_max=3500.0), RATE)
    means = []
    for speed in (1, 2, 4, 8):
        mel = log_mel(speed_up(torch.randn(64, RATE * speed, generator=generator), speed))
        assert mel.mean(dim=(1, 2)).abs().max() < 1e-4
        means.append(mel.mean(dim=(0, 2)))
    spread = torch.stack(means).std(dim=0)
    assert float(spread.max()) < 0.1  # nepers; the clips' own spread is about 1


def test_loudness_does_not_reach_the_network():
    log_mel = LogMel(AudioConfig(n_mels=40, f_max=3500.0), RATE)
    wave = torch.randn(1, RATE, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(log_mel(wave), log_mel(0.01 * wave), atol=1e-3)


def test_the_filterbank_against_slow_triangles():
    bank = mel_filterbank(12, 256, RATE, 60.0, 3500.0)

    def to_mel(hz: float) -> float:
        return hz / (200 / 3) if hz < 1000 else 15 + np.log(hz / 1000) / (np.log(6.4) / 27)

    grid = np.linspace(0, RATE / 2, 200_001)
    mels = np.array([to_mel(hz) for hz in grid])
    edges = np.interp(np.linspace(to_mel(60.0), to_mel(3500.0), 14), mels, grid)
    for band in range(12):
        low, peak, high = edges[band : band + 3]
        for k in range(129):
            hz = k * RATE / 256
            value = max(0.0, min((hz - low) / (peak - low), (high - hz) / (high - peak))) * 2 / (high - low)
            assert bank[band, k] == pytest.approx(value, abs=1e-6)
