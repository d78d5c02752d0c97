"""Differences of one column as a picture: a line a row, its dot and interval beside 0."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from chronav.svg import axis, svg

_WIDTH, _LEFT, _RIGHT, _STEP, _TOP = 300, 112, 10, 17, 6


def forest(outcome: Mapping[str, Any], title: str) -> str:
    """The rows that are trained and have a difference; nothing where there is none. Colours are the page's."""
    found = [
        (row["name"], row["cells"][title]["difference"])
        for row in outcome["rows"]
        if row["cells"][title].get("difference") and row["cells"][title]["trained"]
    ]
    if not found:
        return ""
    ends = [0.0] + [gap[key] for _, gap in found for key in ("value", "low", "high") if gap[key] is not None]
    low, high, ticks = axis(min(ends), max(ends))

    def x(v: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (v - low) / (high - low)

    bottom = _TOP + _STEP * len(found)
    body = []
    for tick in ticks:
        style = "chance" if tick == 0 else "axis"
        body.append(
            f'<line class="{style}" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{_TOP}" y2="{bottom}"/>'
        )
        body.append(f'<text class="tick middle" x="{x(tick):.1f}" y="{bottom + 12}">{tick:+g}</text>')
    for place, (name, gap) in enumerate(found):
        y = _TOP + _STEP * (place + 0.5)
        body.append(f'<text class="tick end" x="{_LEFT - 8}" y="{y + 3:.1f}">{escape(name)}</text>')
        if gap["low"] is not None:
            ends_x = f'x1="{x(gap["low"]):.1f}" x2="{x(gap["high"]):.1f}"'
            body.append(f'<line class="span" {ends_x} y1="{y:.1f}" y2="{y:.1f}"/>')
        style = "dot" if gap["clear"] else "other"
        body.append(f'<circle class="{style}" cx="{x(gap["value"]):.1f}" cy="{y:.1f}" r="4"/>')
    label = f"{title}: " + ", ".join(f"{name} {gap['value']:+.2f}" for name, gap in found)
    return svg(_WIDTH, bottom + 18, label, body)
