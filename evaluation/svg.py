"""Small charts as inline SVG. Pure functions; colours are CSS classes of the page, so they follow its theme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

_W, _H = 240, 132
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 8, 8, 20


@dataclass(frozen=True)
class Series:
    """A line: x (steps) and y of equal length; `style` is a CSS class; `dots` marks every point."""

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
    body = [_grid(tick, low, high) for tick in ticks]
    body.append(f'<text class="tick" x="{_LEFT}" y="{_H - 5}">0</text>')
    body.append(f'<text class="tick end" x="{_W - _RIGHT}" y="{_H - 5}">{right:,.0f} steps</text>')
    if chance is not None:
        y = _y(chance, low, high)
        body.append(f'<line class="chance" x1="{_LEFT}" x2="{_W - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
    for one in series:
        points = [
            (_x(x, right), _y(y, low, high)) for x, y in zip(one.x, one.y, strict=True) if np.isfinite(y)
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        body.append(f'<polyline class="line {escape(one.style)}" points="{path}"/>')
        if one.dots:
            body += [f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="2.8"/>' for x, y in points]
    return _svg(_W, _H, label, body)


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
    return _svg(width, height, label, body)


def smoothed(y: Sequence[float], share: float = 0.05) -> list[float]:
    """A centred moving mean over `share` of the points; the ends use what there is."""
    values = np.asarray(y, dtype=float)
    half = max(1, round(values.size * share / 2))
    return [float(np.nanmean(values[max(0, i - half) : i + half + 1])) for i in range(values.size)]


def axis(low: float, high: float) -> tuple[float, float, list[float]]:
    """A range that holds low..high and ends on its ticks, and the ticks, which are round numbers."""
    span = (high - low) or abs(high) or 1.0
    raw = span / 3
    magnitude = 10.0 ** np.floor(np.log10(raw))
    step = float(next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= raw * 0.999))
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    ticks = [round(float(i * step), 10) for i in np.arange(first, max(last, first + 1) + 1)]
    return ticks[0], ticks[-1], ticks


def _x(x: float, right: float) -> float:
    return _LEFT + (_W - _LEFT - _RIGHT) * x / right


def _y(y: float, low: float, high: float) -> float:
    return _H - _BOTTOM - (_H - _TOP - _BOTTOM) * (y - low) / (high - low)


def _grid(tick: float, low: float, high: float) -> str:
    y = _y(tick, low, high)
    return (
        f'<line class="axis" x1="{_LEFT}" x2="{_W - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick end" x="{_LEFT - 5}" y="{y + 3.5:.1f}">{tick:g}</text>'
    )


def _svg(width: int, height: int, label: str, body: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label, quote=True)}">'
        + "".join(body)
        + "</svg>"
    )
