"""A small world as arrays, made once: what the codecs do to it is tested elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from pipelines.world import CLASSES, WorldConfig, render_video


@dataclass(frozen=True)
class ArrayWorld:
    """Frames (N, T, H, W, 3) uint8, sounds (N, samples), class numbers (N,) and groups (N,) from 1."""

    config: WorldConfig
    frames: np.ndarray
    sounds: np.ndarray
    labels: np.ndarray
    groups: np.ndarray

    def levels(self, hop_s: float) -> np.ndarray:
        """Level of blocks of `hop_s`, dB: (N, blocks)."""
        hop = round(hop_s * self.config.sample_rate)
        blocks = self.sounds[:, : self.sounds.shape[1] // hop * hop].reshape(len(self.sounds), -1, hop)
        return 10 * np.log10(np.square(blocks, dtype=np.float64).mean(axis=2) + 1e-10)

    def changes(self, stride: int = 1) -> np.ndarray:
        """Mean difference of frames `stride` apart: (N, frames - 1)."""
        grey = self.frames[:, ::stride].mean(axis=-1, dtype=np.float32)
        return np.abs(np.diff(grey, axis=1)).mean(axis=(2, 3))


@pytest.fixture(scope="session")
def array_world() -> ArrayWorld:
    # One clip a group: clips of a group look alike, so that a probe's answers on them are not independent.
    config = WorldConfig(videos_per_class=30, groups_per_class=30, size=32, sample_rate=8000, seed=7)
    places = [(k, group) for k in range(len(CLASSES)) for group in range(1, 31)]
    made = [render_video(config, CLASSES[k], group, 1) for k, group in places]
    labels, groups = np.array(places).T
    return ArrayWorld(
        config, np.stack([m.frames for m in made]), np.stack([m.sound for m in made]), labels, groups
    )
