"""The map of features as inline SVG; colours are CSS classes, so they follow the page's theme."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from chronav.svg import svg
from evaluation.pages.feature_map import FeatureMap, Point

_GOLDEN = 137.508  # degrees: neighbouring numbers get hues far apart
_MAP, _MARGIN = 640, 16


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
    return svg(_MAP, _MAP, label, body)


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
