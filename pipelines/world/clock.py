"""The common clock: how far every video has run down, whatever its class and its playback speed.

All functions take u = t / duration in [0, 1] and are the same for all classes, so that they say when, never
what. Each falls monotonically, so "which clip came first" can be answered from sight and from sound.
"""

from __future__ import annotations

import numpy as np

REACH_LEFT = 0.4  # motion amplitude at the end, as a share of the start
SIZE_LEFT = 0.65
LEVEL_FALL_DB = 14.0
PITCH_FALL_OCTAVES = 1.0
CUTOFF_FALL_OCTAVES = 1.7


def reach(u: np.ndarray) -> np.ndarray:
    """Motion amplitude relative to the start: energy runs down."""
    return REACH_LEFT ** np.clip(u, 0.0, 1.0)


def size(u: np.ndarray) -> np.ndarray:
    """Size of the movers relative to the start: they wear away."""
    return SIZE_LEFT ** np.clip(u, 0.0, 1.0)


def level(u: np.ndarray) -> np.ndarray:
    """Amplitude of sound events relative to the start; the noise floor stays where it is."""
    return 10.0 ** (-LEVEL_FALL_DB * np.clip(u, 0.0, 1.0) / 20.0)


def pitch(u: np.ndarray) -> np.ndarray:
    """Pitch of sound events relative to the start."""
    return 2.0 ** (-PITCH_FALL_OCTAVES * np.clip(u, 0.0, 1.0))


def cutoff(u: np.ndarray) -> np.ndarray:
    """Low-pass frequency of sound events relative to the start: they grow duller."""
    return 2.0 ** (-CUTOFF_FALL_OCTAVES * np.clip(u, 0.0, 1.0))
