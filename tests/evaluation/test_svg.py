from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from evaluation.svg import Series, interval_strip, line_chart, smoothed


def test_lines_run_from_left_to_right_and_up_is_more() -> None:
    svg = line_chart([Series([0, 50, 100], [0.0, 1.0, float("nan")])], 'accuracy "a"', chance=0.5)
    ElementTree.fromstring(svg)
    assert 'aria-label="accuracy &quot;a&quot;"' in svg
    points = re.search(r'points="([^"]*)"', svg)
    assert points
    (x0, y0), (x1, y1) = (tuple(map(float, point.split(","))) for point in points[1].split())
    assert x0 < x1
    assert y1 < y0
    dashed = re.search(r'class="chance".* y1="([\d.]+)"', svg)
    assert dashed
    assert float(dashed[1]) == pytest.approx((y0 + y1) / 2, abs=0.2)


def test_a_chart_of_nothing_is_nothing() -> None:
    assert line_chart([Series([], [])], "nothing") == ""


@pytest.mark.parametrize(
    ("y", "dots"), [([0.5], 1), ([float("nan"), 0.5], 1), ([0.4, 0.5], 0), ([float("nan")], 0)]
)
def test_a_single_point_is_a_dot(y: list[float], dots: int) -> None:
    svg = line_chart([Series([10, 20][: len(y)], y, "faint")], "loss", chance=0.1)
    ElementTree.fromstring(svg)
    assert svg.count("<circle") == svg.count('class="dot faint"') == dots


def test_strip_places_value_interval_and_chance() -> None:
    svg = interval_strip(0.5, 0.25, 0.75, 0.1, None, "half")
    ElementTree.fromstring(svg)
    assert 'class="dot" cx="120.0"' in svg
    assert 'x1="63.0" x2="177.0"' in svg
    assert 'class="other"' not in svg


def test_smoothing_keeps_means_and_length() -> None:
    assert smoothed([3.0] * 7) == [3.0] * 7
    assert smoothed([0.0, 3.0, 6.0], share=0.1) == [1.5, 3.0, 4.5]
