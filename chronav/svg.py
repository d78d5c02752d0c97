"""What charts as inline SVG have in common. Colours are CSS classes of the page, so they follow its theme."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

WIDTH, HEIGHT = 240, 132
LEFT, RIGHT, TOP, BOTTOM = 34, 8, 8, 20
"""Size of a chart and the margins of its plot, in units of its view box."""


def svg(width: int, height: int, label: str, body: Sequence[str], stretch: bool = False) -> str:
    """A picture of its own; `label` is what a screen reader says. `stretch`: fills any box, not to scale."""
    how = ' preserveAspectRatio="none"' if stretch else ""
    return (
        f'<svg viewBox="0 0 {width} {height}"{how} role="img" aria-label="{escape(label, quote=True)}">'
        + "".join(body)
        + "</svg>"
    )


def axis(low: float, high: float) -> tuple[float, float, list[float]]:
    """A range that holds low..high and ends on its ticks, and the ticks, which are round numbers."""
    span = (high - low) or abs(high) or 1.0
    step = round_step(span / 3)
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    ticks = [round(float(i * step), 10) for i in np.arange(first, max(last, first + 1) + 1)]
    return ticks[0], ticks[-1], ticks


def round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5, 5, 10, 20, … and 0.5, 0.25, … that is not less than `least`."""
    magnitude = 10.0 ** np.floor(np.log10(least))
    return float(next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= least * 0.999))


def y_place(y: float, low: float, high: float) -> float:
    """Where a value is in a chart whose plot reaches from `low` (bottom) to `high` (top)."""
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - low) / (high - low)


def grid_line(tick: float, low: float, high: float) -> str:
    """A line across the plot with its value at the left."""
    y = y_place(tick, low, high)
    return (
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick end" x="{LEFT - 5}" y="{y + 3.5:.1f}">{tick:g}</text>'
    )
