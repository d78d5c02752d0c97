"""Small charts as inline SVG. Pure functions; colours are CSS classes of the page, so they follow its theme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from chronav.svg import HEIGHT, LEFT, RIGHT, WIDTH, axis, grid_line, svg, y_place


@dataclass(frozen=True)
class Series:
    """A line: x (steps) and y of equal length; `style` is a CSS class; `dots` marks every point.

    A single point is always marked: a line of it shows nothing.
    """

    x: Sequence[float]
    y: Sequence[float]
    style: str = "main"
    dots: bool = False


def line_chart(series: Sequence[Series], label: str, chance: float | None = None) -> str:
    """A chart of lines over steps, with a dashed line at `chance`. `label` is what a screen reader says."""
    xs = np.concatenate([np.asarray(s.x, float) for s in series])
    ys = np.concatenate([np.asarray(s.y, float) for s in series])
    ys = ys[np.isfinite(ys)]
    seen = np.append(ys, chance) if chance is not None else ys
    if seen.size == 0:
        return ""
    low, high, ticks = axis(float(seen.min()), float(seen.max()))
    right = float(xs.max()) or 1.0
    body = [grid_line(tick, low, high) for tick in ticks]
    body.append(f'<text class="tick" x="{LEFT}" y="{HEIGHT - 5}">0</text>')
    body.append(f'<text class="tick end" x="{WIDTH - RIGHT}" y="{HEIGHT - 5}">{right:,.0f} steps</text>')
    if chance is not None:
        y = y_place(chance, low, high)
        body.append(f'<line class="chance" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
    for one in series:
        points = [
            (_x(x, right), y_place(y, low, high)) for x, y in zip(one.x, one.y, strict=True) if np.isfinite(y)
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        body.append(f'<polyline class="line {escape(one.style)}" points="{path}"/>')
        if one.dots or len(points) == 1:
            body += [
                f'<circle class="dot {escape(one.style)}" cx="{x:.1f}" cy="{y:.1f}" r="2.8"/>'
                for x, y in points
            ]
    return svg(WIDTH, HEIGHT, label, body)


def interval_strip(
    value: float, low: float | None, high: float | None, chance: float | None, other: float | None, label: str
) -> str:
    """One row of a 0..1 scale: a dot with its interval, a tick at chance, a ring at another value."""
    width, height, middle = 240, 22, 11

    def x(v: float) -> float:
        return 6 + (width - 12) * min(max(v, 0.0), 1.0)

    body = [f'<line class="axis" x1="{x(0)}" x2="{x(1)}" y1="{middle}" y2="{middle}"/>']
    if chance is not None:
        body.append(
            f'<line class="chance" x1="{x(chance):.1f}" x2="{x(chance):.1f}" y1="2" y2="{height - 2}"/>'
        )
    if other is not None:
        body.append(f'<circle class="other" cx="{x(other):.1f}" cy="{middle}" r="4"/>')
    if low is not None and high is not None:
        body.append(f'<line class="span" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{middle}" y2="{middle}"/>')
    body.append(f'<circle class="dot" cx="{x(value):.1f}" cy="{middle}" r="5"/>')
    return svg(width, height, label, body)


def smoothed(y: Sequence[float], share: float = 0.05) -> list[float]:
    """A centred moving mean over `share` of the points; the ends use what there is."""
    values = np.asarray(y, dtype=float)
    half = max(1, round(values.size * share / 2))
    return [float(np.nanmean(values[max(0, i - half) : i + half + 1])) for i in range(values.size)]


def _x(x: float, right: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * x / right
