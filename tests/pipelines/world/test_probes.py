"""The world is no shortcut: only motion and the course of sound tell its classes, nothing else does.

Linear probes, five folds over the groups (the first fold's test part is the world's own test list), so that
every video is predicted once by a probe that has seen none of its group.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from pipelines.world import CLASSES

if TYPE_CHECKING:
    from conftest import ArrayWorld

CHANCE = 1 / len(CLASSES)


def correct(world: ArrayWorld, features: np.ndarray) -> int:
    """How many of the videos a linear probe on features (N, F) names rightly."""
    found = 0
    for fold in range(5):
        test = (world.groups - 1) // 6 == fold
        # The rotation to principal axes leaves the regularised solution as it is, with fewer coefficients.
        probe = make_pipeline(StandardScaler(), PCA(), LogisticRegression(C=0.03, max_iter=300))
        with threadpool_limits(1):  # small matrices: threads only wait for each other
            probe.fit(features[~test], world.labels[~test])
        found += int((probe.predict(features[test]) == world.labels[test]).sum())
    return found


def histogram_of_gradients(grey: np.ndarray) -> np.ndarray:
    """Six directions in cells of 8 x 8: (N, 32, 32) -> (N, 96)."""
    dy, dx = np.gradient(grey, axis=(1, 2))
    strength, way = np.hypot(dx, dy), (np.arctan2(dy, dx) % np.pi / np.pi * 6).astype(int) % 6
    cells = [(strength * (way == k)).reshape(-1, 4, 8, 4, 8).sum(axis=(2, 4)) for k in range(6)]
    return np.stack(cells, axis=-1).reshape(len(grey), -1)


def single_frame(world: ArrayWorld) -> np.ndarray:
    at = np.random.default_rng(0).integers(world.config.frames, size=len(world.labels))
    grey = world.frames[np.arange(len(at)), at].mean(axis=-1)  # (N, 32, 32)
    return np.concatenate([grey.reshape(len(at), -1) / 8, histogram_of_gradients(grey)], axis=1)


def colours(world: ArrayWorld) -> np.ndarray:
    def of_video(frames: np.ndarray) -> np.ndarray:
        values = frames.reshape(-1, 3)
        counts = [np.bincount(values[:, c] // 16, minlength=16) / len(values) for c in range(3)]
        return np.concatenate([values.mean(axis=0), values.std(axis=0), *counts])

    return np.stack([of_video(frames) for frames in world.frames])


def loudness(world: ArrayWorld) -> np.ndarray:
    peak = 20 * np.log10(np.abs(world.sounds).max(axis=1))
    rms = 10 * np.log10(np.square(world.sounds, dtype=np.float64).mean(axis=1))
    levels = np.percentile(world.levels(0.05), [5, 10, 25, 50, 75, 90, 95], axis=1)
    return np.stack([peak, rms, *levels], axis=1)


def timbre(world: ArrayWorld) -> np.ndarray:
    """The long-term spectrum in 15 bands, level removed; below 120 Hz are the rhythm's own side bands."""
    power = np.square(np.abs(np.fft.rfft(world.sounds, axis=1)))
    edges = (np.geomspace(120, 3600, 16) * world.config.duration_s).astype(int)
    bands = np.log(np.add.reduceat(power, edges, axis=1)[:, :-1])
    return bands - bands.mean(axis=1, keepdims=True)


def course(signal: np.ndarray, lags: int) -> np.ndarray:
    """Power spectrum and autocorrelation of courses in time (N, T): what a motion or a rhythm is."""
    signal = (signal - signal.mean(1, keepdims=True)) / signal.std(1, keepdims=True)
    spectrum = np.square(np.abs(np.fft.rfft(signal, axis=1)))[:, 1:241]
    spectrum = spectrum[:, : spectrum.shape[1] // 4 * 4].reshape(len(signal), -1, 4).sum(axis=2)
    circular = np.fft.irfft(np.square(np.abs(np.fft.rfft(signal, axis=1))), axis=1)[:, :lags]
    return np.concatenate([np.log(spectrum + 1e-9), circular / circular[:, :1]], axis=1)


@pytest.mark.parametrize("probe", [single_frame, colours, loudness, timbre])
def test_what_must_not_tell_the_class_does_not(
    array_world: ArrayWorld, probe: Callable[[ArrayWorld], np.ndarray]
) -> None:
    found = correct(array_world, probe(array_world))
    assert found <= binom.ppf(0.999, len(array_world.labels), CHANCE)


def test_motion_tells_the_class(array_world: ArrayWorld) -> None:
    found = correct(array_world, course(array_world.changes(), 32))
    assert found / len(array_world.labels) > 5 * CHANCE


def test_the_course_of_sound_tells_the_class(array_world: ArrayWorld) -> None:
    found = correct(array_world, course(array_world.levels(0.02), 80))
    assert found / len(array_world.labels) > 5 * CHANCE
