"""Sprites to frames: anti-aliased shapes pasted at sub-pixel places, vectorised over time."""

from __future__ import annotations

import numpy as np

from pipelines.world.look import Thing


def mask(shape: str, x: np.ndarray, y: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Coverage in [0, 1] at points (x, y) pixels from the centre of a shape of `radius` pixels.

    All shapes have about the same area. Signed distances, cut by a ramp of one pixel (anti-aliasing).
    """
    ax, ay = np.abs(x), np.abs(y)
    if shape == "disc":
        distance = np.hypot(x, y) - 0.95 * radius
    elif shape == "square":
        distance = np.maximum(ax, ay) - 0.84 * radius
    elif shape == "bar":
        distance = np.maximum(ax - 1.25 * radius, ay - 0.56 * radius)
    elif shape == "ring":
        distance = np.abs(np.hypot(x, y) - 0.85 * radius) - 0.27 * radius
    elif shape == "triangle":
        distance = np.maximum(0.866 * ax + 0.5 * y, -y) - 0.72 * radius
    else:  # cross
        distance = np.minimum(
            np.maximum(ax - 1.15 * radius, ay - 0.38 * radius),
            np.maximum(ax - 0.38 * radius, ay - 1.15 * radius),
        )
    return np.clip(0.5 - distance, 0.0, 1.0)


def paste(frames: np.ndarray, thing: Thing, centre: np.ndarray, radius: np.ndarray) -> None:
    """Draw `thing` into `frames` (T, H, W, 3) uint8, in place; centre (T, 2) x, y and radius (T,) in pixels."""
    count, height, width = frames.shape[:3]
    side = min(int(np.ceil(2 * (1.45 * radius.max() + 1))) + 1, height, width)
    corner = np.clip(np.round(centre - side / 2).astype(int), 0, [width - side, height - side])  # (T, 2)
    span = np.arange(side)
    columns, rows = corner[:, 0, None] + span, corner[:, 1, None] + span  # (T, side)
    x = (columns + 0.5 - centre[:, 0, None]).astype(np.float32)[:, None, :]
    y = (rows + 0.5 - centre[:, 1, None]).astype(np.float32)[:, :, None]
    cos, sin = np.float32(np.cos(thing.angle)), np.float32(np.sin(thing.angle))
    alpha = mask(thing.shape, cos * x + sin * y, cos * y - sin * x, radius.astype(np.float32)[:, None, None])
    at = (np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :])
    under = frames[at].astype(np.float32)  # (T, side, side, 3)
    colour = (255.0 * thing.colour).astype(np.float32)
    frames[at] = np.rint(under + alpha[..., None] * (colour - under)).astype(np.uint8)
