"""Charts of the pages of evaluations as inline SVG; colours are CSS classes, so they follow the page's theme."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from evaluation.pages.feature_map import FeatureMap, Point

_CELLS = ((12, 34), (30, 20), (60, 13))  # up to so many classes a cell has so many pixels; beyond:
_SMALL_CELL = 7
_NAMED, _COUNTED = 60, 12  # up to so many classes there is room for their names, and for counts
_LETTER = 6.2  # pixels of width
_MAP, _MARGIN = 640, 16
_GOLDEN = 137.508  # degrees: neighbouring numbers get hues far apart


def confusion_matrix(classes: Sequence[str], counts: Sequence[Sequence[int]], label: str) -> str:
    """What is true downwards, what was answered to the right; a cell is as strong as its share of the row."""
    n = len(classes)
    cell = next((size for most, size in _CELLS if n <= most), _SMALL_CELL)
    named = n <= _NAMED
    room = 12 + _LETTER * max(map(len, classes)) if named else 12
    top = 8 + 0.72 * room if named else 8
    width, height = room + n * cell + (0.72 * room if named else 0), top + n * cell + 2
    body = [f'<rect class="empty" x="{room:.0f}" y="{top:.0f}" width="{n * cell}" height="{n * cell}"/>']
    for i, row in enumerate(counts):
        total = sum(row)
        for j, count in enumerate(row):
            if count:
                body += _cell(
                    room + j * cell, top + i * cell, cell, count, total, (classes[i], classes[j]), n
                )
    if named:
        body += [_name(room - 6, top + (i + 0.5) * cell + 3.5, name, "end") for i, name in enumerate(classes)]
        body += [_name(room + (i + 0.5) * cell, top - 6, name, "up") for i, name in enumerate(classes)]
    return _fixed(width, height, label, body)


def _name(x: float, y: float, name: str, how: str) -> str:
    """A class: before its row (`end`), or slanted above its column (`up`)."""
    turn = f' transform="rotate(-45 {x:.1f} {y:.1f})"' if how == "up" else ""
    return f'<text class="name {how}" x="{x:.1f}" y="{y:.1f}"{turn}>{escape(name)}</text>'


def _cell(
    x: float, y: float, size: int, count: int, total: int, names: tuple[str, str], classes: int
) -> list[str]:
    truth, answer = names
    share = count / total
    kind = "right" if truth == answer else "wrong"
    said = escape(f"{truth}, taken for {answer}: {count} of {total}")
    parts = [
        f'<rect class="cell {kind}" x="{x:.1f}" y="{y:.1f}" width="{size - 1}" height="{size - 1}" '
        f'fill-opacity="{0.12 + 0.88 * share:.2f}"><title>{said}</title></rect>'
    ]
    if classes <= _COUNTED:
        strong = " strong" if share > 0.5 else ""
        parts.append(
            f'<text class="count{strong}" x="{x + (size - 1) / 2:.1f}" y="{y + size / 2 + 3.5:.1f}">{count}</text>'
        )
    return parts


def hue(number: int) -> int:
    """The hue of class `number`, in degrees."""
    return round(number * _GOLDEN) % 360


def feature_map(drawn: FeatureMap, label: str) -> str:
    """A dot a video, its hue its class; `data-p`: its places by each way to lay them out."""
    classes = {name: i for i, name in enumerate(sorted({point.label for point in drawn.points}))}
    ways = list(drawn.places.values())
    body = []
    for i in _painted(drawn.points):
        point = drawn.points[i]
        spots = [_spot(places[i]) for places in ways]
        x, y = spots[0]
        kind = "ask" if point.test else "known"
        wrong = " miss" if point.wrong else ""
        body.append(
            f'<circle class="point {kind}{wrong}" data-i="{i}" data-c="{classes[point.label]}" '
            f'data-p="{" ".join(f"{a},{b}" for a, b in spots)}" style="--h:{hue(classes[point.label])}" '
            f'cx="{x}" cy="{y}" r="{5 if point.test else 4}"><title>{escape(said_of(point))}</title></circle>'
        )
    return (
        f'<svg viewBox="0 0 {_MAP} {_MAP}" role="img" aria-label="{escape(label, quote=True)}">'
        + "".join(body)
        + "</svg>"
    )


def said_of(point: Point) -> str:
    """A point in words."""
    took = "" if point.answer is None else (f", taken for {point.answer}" if point.wrong else ", told right")
    return f"{point.label or 'no label'}{took}: {point.video_id}"


def _painted(points: Sequence[Point]) -> list[int]:
    """Test videos on top of the others, mistakes on top of all."""
    return sorted(range(len(points)), key=lambda i: (points[i].test, points[i].wrong))


def _spot(place: npt.NDArray[np.float64]) -> tuple[float, float]:
    x, y = _MARGIN + (_MAP - 2 * _MARGIN) * place
    return round(float(x), 1), round(float(_MAP - y), 1)


def _fixed(width: float, height: float, label: str, body: Sequence[str]) -> str:
    """A picture that keeps its size, for a box that scrolls."""
    return (
        f'<svg class="fixed" width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'role="img" aria-label="{escape(label, quote=True)}">' + "".join(body) + "</svg>"
    )
