from __future__ import annotations

from xml.etree import ElementTree

import pytest

from chronav.svg import BOTTOM, HEIGHT, TOP, axis, grid_line, round_step, svg, y_place


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.0, 1.0), (0.31, 0.35), (-3.0, 14.2), (1e-4, 9e-4), (5.0, 5.0), (0.0, 0.0), (98.0, 1040.0)],
)
def test_axis_holds_the_values_on_round_ticks(low: float, high: float) -> None:
    first, last, ticks = axis(low, high)
    assert first <= low <= high <= last
    assert first < last
    assert 2 <= len(ticks) <= 6
    assert ticks == sorted(ticks)
    assert all(len(f"{tick:g}".lstrip("-0.")) <= 4 for tick in ticks)


@pytest.mark.parametrize(
    ("least", "step"), [(0.3, 0.5), (0.2, 0.2), (1.0, 1.0), (21, 25), (26, 50), (0.011, 0.02), (7e5, 1e6)]
)
def test_round_steps(least: float, step: float) -> None:
    assert round_step(least) == pytest.approx(step)


def test_a_picture_is_xml_with_its_label_and_up_is_more() -> None:
    text = svg(240, 132, 'a "b" <c>', [grid_line(5, 0, 10)], stretch=True)
    picture = ElementTree.fromstring(text)
    assert picture.attrib["aria-label"] == 'a "b" <c>'
    assert picture.attrib["preserveAspectRatio"] == "none"
    assert "preserveAspectRatio" not in svg(1, 1, "", [])
    assert (y_place(0, 0, 10), y_place(10, 0, 10)) == (HEIGHT - BOTTOM, TOP)
    assert float(picture[0].attrib["y1"]) == (HEIGHT - BOTTOM + TOP) / 2
