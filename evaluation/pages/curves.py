"""What labels are worth: the main metric over the number of training items, where runs differ in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from chronav.svg import svg
from evaluation.comparison import Cell
from evaluation.pages.names import contender_name, metric_name
from evaluation.pages.numbers import cell, everyone, training_items
from evaluation.tasks import ComparedRun, Task
from evaluation.who import CHANCE, FLOORS, PRETRAINED

_DRAWN = (PRETRAINED, *FLOORS, "frozen_linear")
_STYLES = 6  # of lines, in report_style.html
_WIDTH, _HEIGHT = 360, 250  # all of it fits a phone, its letters at about their size
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 16, 10, 34
_APART = 3  # pixels between the intervals of different curves


@dataclass(frozen=True)
class Curve:
    """A metric over numbers of training items: `x`, ascending, and a cell for each; `style` is a CSS class."""

    name: str
    x: Sequence[float]
    cells: Sequence[Cell]
    style: str


def curves_of(task: Task) -> list[Curve]:
    """A curve for each export, and for what was trained beside it; none where the runs have the same items."""
    by_export: dict[str, list[ComparedRun]] = {}
    for run in sorted(task.runs, key=lambda run: training_items(run.outcome)):
        by_export.setdefault(run.outcome["export"], []).append(run)
    curves: list[Curve] = []
    for runs in by_export.values():
        for who in _DRAWN:
            having = [run for run in runs if task.main in everyone(run.outcome).get(who, {})]
            x = [training_items(run.outcome) for run in having]
            if len(set(x)) > 1 and min(x) > 0:
                name = contender_name(who, task.protocol) + (
                    f" ({runs[0].name})" if len(by_export) > 1 else ""
                )
                cells = [cell(everyone(run.outcome)[who], task.main) for run in having]
                curves.append(Curve(name, x, cells, f"line-{len(curves) % _STYLES}"))
    return curves


def curve_chart(curves: Sequence[Curve], task: Task) -> str:
    """Lines over a logarithmic scale, values on 0..1, intervals as bars; empty where there are none."""
    if not curves:
        return ""
    xs = sorted({x for curve in curves for x in curve.x})
    body = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        body.append(_across("axis", tick))
        body.append(f'<text class="name end" x="{_LEFT - 6}" y="{_y(tick) + 4:.1f}">{tick:g}</text>')
    body += [f'<text class="name mid" x="{_x(x, xs):.1f}" y="{_HEIGHT - 16}">{x:,.0f}</text>' for x in xs]
    body.append(f'<text class="name end" x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 2}">training items</text>')
    chance = task.runs[0].outcome["baselines"].get(CHANCE, {}).get(task.main)
    if chance is not None:
        body.append(_across("chance", chance))
    for i, curve in enumerate(curves):
        body += _curve(curve, xs, i * _APART)
    return svg(_WIDTH, _HEIGHT, f"{metric_name(task.main)} over the number of training items", body)


def _curve(curve: Curve, xs: Sequence[float], shift: float) -> list[str]:
    points = [
        (_x(x, xs) + shift, found.value, found)
        for x, found in zip(curve.x, curve.cells, strict=True)
        if found.value is not None
    ]
    path = " ".join(f"{x:.1f},{_y(value):.1f}" for x, value, _ in points)
    parts = [f'<g class="curve {curve.style}"><polyline class="line" points="{path}"/>']
    for x, value, found in points:
        if found.low is not None and found.high is not None:
            ends = f'y1="{_y(found.low):.1f}" y2="{_y(found.high):.1f}"'
            parts.append(f'<line class="span" x1="{x:.1f}" x2="{x:.1f}" {ends}/>')
        said = escape(f"{curve.name}: {found.text()}")
        parts.append(
            f'<circle class="dot" cx="{x:.1f}" cy="{_y(value):.1f}" r="4"><title>{said}</title></circle>'
        )
    return [*parts, "</g>"]


def _across(kind: str, value: float) -> str:
    y = _y(value)
    return f'<line class="{kind}" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _x(x: float, xs: Sequence[float]) -> float:
    span = math.log(xs[-1] / xs[0]) or 1.0
    return _LEFT + 10 + (_WIDTH - _LEFT - _RIGHT - 20) * math.log(x / xs[0]) / span


def _y(value: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value
