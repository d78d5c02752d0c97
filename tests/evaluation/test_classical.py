"""Classical descriptors, on clips whose colours, edges, motion and spectra are known."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.classical import Classical, Spectra, describe_video, statistics

COLOURS, EDGES = slice(0, 48), slice(48, 176)
MOTION_MEAN, MOTION_STD = slice(176, 192), slice(192, 208)


def test_colours_are_shares_of_pixels() -> None:
    clip = np.zeros((4, 16, 24, 3), np.uint8)
    clip[:, :, :4] = 255  # outside of the centre square
    clip[:, :, 12:, 0] = 200
    found = describe_video(clip)[COLOURS].reshape(3, 16)
    assert found[0, 0] == 0.5 and found[0, 12] == 0.5
    assert found[1, 0] == found[2, 0] == 1.0
    assert found.sum() == pytest.approx(3)


def test_edges_have_a_direction_and_a_place() -> None:
    clip = np.zeros((2, 32, 32, 3), np.uint8)
    clip[:, :, 4:] = (
        255  # a vertical edge: the gradient points across, direction 0, in the first column of cells
    )
    found = describe_video(clip)[EDGES].reshape(4, 4, 8)
    assert found[:, 0, 0].min() > 0
    assert found.sum() == pytest.approx(found[:, 0, 0].sum())


def test_a_still_clip_has_no_motion_and_a_moving_spot_has_it_where_it_moves() -> None:
    rng = np.random.default_rng(0)
    still = np.repeat(rng.integers(0, 256, (1, 16, 16, 3), dtype=np.uint8), 5, axis=0)
    assert describe_video(still)[176:].tolist() == [0.0] * 32
    moving = np.zeros((5, 16, 16, 3), np.uint8)
    moving[2, 0:4, 0:4] = 255
    found = describe_video(moving)
    assert found[MOTION_MEAN][0] == pytest.approx(0.5)  # two of four changes are total
    assert found[MOTION_STD][0] == pytest.approx(0.5)
    assert found[MOTION_MEAN][1:].tolist() == [0.0] * 15


def test_means_over_windows_give_the_statistics_of_the_whole() -> None:
    rng = np.random.default_rng(1)
    spectra = Spectra(16_000)
    waves = rng.normal(0, 0.1, size=(6, 8_000)).astype(np.float32) * np.linspace(0.1, 1, 6)[:, None]
    waves = waves.astype(np.float32)
    windows = np.stack([spectra.moments(wave) for wave in waves])
    pooled = statistics(windows.mean(axis=0, keepdims=True))[0]
    frames = np.concatenate([spectra._log_mel(wave) for wave in waves])
    assert pooled[:64] == pytest.approx(frames.mean(axis=0), abs=1e-3)
    assert pooled[104:168] == pytest.approx(frames.std(axis=0), abs=1e-2)
    assert pooled.shape == (208,)


def test_it_embeds_as_an_export_does() -> None:
    classical = Classical(16_000)
    clips = np.random.default_rng(2).integers(0, 256, (3, 4, 20, 16, 3), dtype=np.uint8)
    described = classical.embed(video=clips)
    assert described.audio is None
    assert described.video is not None and described.video.shape == (3, 208)
    assert described.video.dtype == np.float32
    short = classical.embed(
        audio=np.zeros((2, 100), np.float32)
    ).audio  # shorter than a window of the spectrum
    assert short is not None and short.shape == (2, 208) and np.isfinite(short).all()
