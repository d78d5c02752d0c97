"""Time is in the world: its arrow, its speed and its order show in pixels and samples, for every class."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipelines.world import CLASSES

if TYPE_CHECKING:
    from conftest import ArrayWorld

CLEAR = 4.0  # standard errors; no class reaches that by chance


def skewness(values: np.ndarray) -> np.ndarray:
    """Third standardised moment of each row: (N, T) -> (N,)."""
    centred = values - values.mean(axis=1, keepdims=True)
    return (centred**3).mean(axis=1) / (centred**2).mean(axis=1) ** 1.5


def errors_from_zero(values: np.ndarray) -> float:
    return float(abs(values.mean()) / (values.std(ddof=1) / np.sqrt(len(values))))


def of_class(world: ArrayWorld, label: str) -> ArrayWorld:
    own = world.labels == CLASSES.index(label)
    return replace(world, frames=world.frames[own], sounds=world.sounds[own])


def foregoing(values: np.ndarray, lag: int = 2) -> np.ndarray:
    """Whether much comes before little or after it, (N, T) -> (N,): a third-order moment that is odd in time."""
    v = (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, keepdims=True)
    return (v[:, :-lag] ** 2 * v[:, lag:] - v[:, :-lag] * v[:, lag:] ** 2).mean(axis=1)


def picture_arrows(world: ArrayWorld) -> list[np.ndarray]:
    """Sudden rises against sudden falls of movement and of size; each changes its sign with time."""
    grey = world.frames.mean(axis=-1, dtype=np.float32)
    size = np.abs(grey - np.median(grey, axis=(2, 3), keepdims=True)).mean(axis=(2, 3))
    changes = world.changes()
    return [skewness(np.diff(changes, axis=1)), skewness(np.diff(size, axis=1)), foregoing(changes)]


def reversed_world(world: ArrayWorld) -> ArrayWorld:
    return replace(world, frames=world.frames[:, ::-1], sounds=world.sounds[:, ::-1])


@pytest.mark.parametrize("label", CLASSES)
def test_the_arrow_of_time_is_seen(array_world: ArrayWorld, label: str) -> None:
    forward = of_class(array_world, label)
    pairs = zip(picture_arrows(forward), picture_arrows(reversed_world(forward)), strict=True)
    assert max(errors_from_zero(ahead - back) for ahead, back in pairs) > CLEAR


@pytest.mark.parametrize("label", CLASSES)
def test_the_arrow_of_time_is_heard(array_world: ArrayWorld, label: str) -> None:
    forward = of_class(array_world, label)
    ahead, back = (skewness(np.diff(w.levels(0.02), axis=1)) for w in (forward, reversed_world(forward)))
    assert errors_from_zero(ahead - back) > CLEAR
    assert ahead.mean() > 0 > back.mean()  # attacks are sudden, decays are not


@pytest.mark.parametrize("label", CLASSES)
def test_speed_is_seen_and_heard(array_world: ArrayWorld, label: str) -> None:
    normal = of_class(array_world, label)
    still, fast = normal.changes().mean(axis=1), normal.changes(stride=2).mean(axis=1)
    assert errors_from_zero(np.log(fast / still)) > CLEAR
    # Levels of blocks twice as long, twice as fast: the same file played at double speed.
    slow, quick = (np.abs(np.diff(normal.levels(hop), axis=1)).mean(axis=1) for hop in (0.02, 0.04))
    assert errors_from_zero(np.log(quick / slow)) > CLEAR


@pytest.mark.parametrize("label", CLASSES)
def test_first_and_last_can_be_told(array_world: ArrayWorld, label: str) -> None:
    world = of_class(array_world, label)
    changes, levels = world.changes(), world.levels(0.02)
    third = changes.shape[1] // 3
    seen = np.log(changes[:, :third].mean(axis=1) / changes[:, -third:].mean(axis=1))
    third = levels.shape[1] // 3
    heard = np.percentile(levels[:, :third], 90, axis=1) - np.percentile(levels[:, -third:], 90, axis=1)
    for fall in (seen, heard):
        assert errors_from_zero(fall) > CLEAR
        assert (fall > 0).mean() > 0.9
