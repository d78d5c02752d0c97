"""The confusion matrix as inline SVG; colours are CSS classes, so they follow the page's theme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_CELLS = ((12, 34), (30, 20), (60, 13))  # up to so many classes a cell has so many pixels; beyond:
_SMALL_CELL = 7
_NAMED, _COUNTED = 60, 12  # up to so many classes there is room for their names, and for counts
_LETTER = 6.2  # pixels of width


def drawn_matrix(confusion: Mapping[str, Any]) -> str:
    """The chart of an outcome's `confusion`; empty where it has none."""
    classes, counts = confusion["classes"], confusion["counts"]
    if not classes:
        return ""
    total = sum(map(sum, counts))
    right = sum(row[i] for i, row in enumerate(counts))
    label = f"Confusion matrix of {len(classes)} classes: {right} of {total} answers are right"
    return confusion_matrix(classes, counts, label)


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


def _fixed(width: float, height: float, label: str, body: Sequence[str]) -> str:
    """A picture that keeps its size, for a box that scrolls."""
    return (
        f'<svg class="fixed" width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'role="img" aria-label="{escape(label, quote=True)}">' + "".join(body) + "</svg>"
    )
