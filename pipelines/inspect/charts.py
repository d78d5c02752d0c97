"""The charts of the page: histograms, how even labels are, and the course of a sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

from chronav.svg import BOTTOM, HEIGHT, LEFT, RIGHT, WIDTH, axis, grid_line, svg, y_place
from pipelines.inspect.sample import COLUMNS, Wave

_MOST_RANKS = 200
_WAVE_HEIGHT = 100


def histogram(summary: Mapping[str, Any] | None, unit: str, label: str) -> str:
    """Bars over the bins of a `summary`; what lies beyond the last edge is a bar of its own. None: nothing."""
    if summary is None:
        return ""
    edges = summary["edges"]
    bars = [
        (count, f"{low:g} to {high:g} {unit}", "bin")
        for count, (low, high) in zip(summary["counts"], pairwise(edges), strict=True)
    ]
    left, right = f"{edges[0]:g}", f"{edges[-1]:g} {unit}"
    if summary["below"]:
        left = f"from {summary['min']:.4g}, then {left}"
        bars.insert(0, (summary["below"], f"below {edges[0]:g} {unit}", "bin tail"))
    if summary["above"]:
        right += f", then to {summary['max']:.4g}"
        bars.append((summary["above"], f"above {edges[-1]:g} {unit}", "bin tail"))
    return svg(WIDTH, HEIGHT, label, [*_bars(bars), *_ends(left, right)])


def ranked(counts: Sequence[int], label: str) -> str:
    """Bars of falling height, one a label; of very many labels, some at even steps."""
    places = [i * len(counts) // min(len(counts), _MOST_RANKS) for i in range(min(len(counts), _MOST_RANKS))]
    bars = [(counts[i], f"number {i + 1}", "bin") for i in places]
    return svg(WIDTH, HEIGHT, label, [*_bars(bars), *_ends("1st", f"{len(counts):,} labels")])


def waveform(wave: Wave, label: str) -> str:
    """The course of a sound, as high as its loudest moment; grey where the source has none."""
    middle = _WAVE_HEIGHT / 2
    peak = max(float(abs(wave.low).max()), float(abs(wave.high).max())) or 1.0
    tops = [f"{x} {middle - middle * y / peak:.0f}" for x, y in enumerate(wave.high)]
    bottoms = [f"{x} {middle - middle * y / peak + 1:.0f}" for x, y in enumerate(wave.low)]
    first, last = (share * COLUMNS for share in wave.valid)
    body = [
        f'<rect class="void" x="{x:.1f}" y="0" width="{width:.1f}" height="{_WAVE_HEIGHT}"/>'
        for x, width in ((0, first), (last, COLUMNS - last))
        if width >= 0.05
    ]
    body.append(f'<path class="wave" d="M{"L".join([*tops, *reversed(bottoms)])}Z"/>')
    return svg(COLUMNS, _WAVE_HEIGHT, label, body, stretch=True)


def _bars(bars: Sequence[tuple[int, str, str]]) -> list[str]:
    """Side by side: each with its count, what it counts, and its CSS class."""
    low, high, ticks = axis(0, max(1, *(count for count, _, _ in bars)) if bars else 1)
    body = [grid_line(tick, low, high) for tick in ticks if tick == int(tick)]
    step = (WIDTH - LEFT - RIGHT) / max(1, len(bars))
    gap = min(1.0, step / 5)
    for place, (count, name, style) in enumerate(bars):
        top, bottom = y_place(count, low, high), HEIGHT - BOTTOM
        body.append(
            f'<rect class="{style}" x="{LEFT + place * step:.2f}" y="{top:.2f}" width="{step - gap:.2f}" '
            f'height="{bottom - top:.2f}"><title>{escape(name)}: {count:,}</title></rect>'
        )
    return body


def _ends(left: str, right: str) -> list[str]:
    """What the two ends of the horizontal axis are."""
    return [
        f'<text class="tick" x="{LEFT}" y="{HEIGHT - 5}">{escape(left)}</text>',
        f'<text class="tick end" x="{WIDTH - RIGHT}" y="{HEIGHT - 5}">{escape(right)}</text>',
    ]
