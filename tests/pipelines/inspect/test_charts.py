from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from pipelines.inspect.bins import summary
from pipelines.inspect.charts import histogram, ranked, waveform
from pipelines.inspect.sample import COLUMNS, Wave


def bars(svg: str) -> list[tuple[str, float, str]]:
    """Class, height and title of every bar."""
    rects = (rect for rect in ElementTree.fromstring(svg).iter("rect"))
    return [
        (rect.attrib["class"], float(rect.attrib["height"]), rect.findtext("title") or "") for rect in rects
    ]


def test_bars_are_as_high_as_their_counts() -> None:
    found = bars(histogram(summary(np.array([1.0, 1.0, 1.0, 1.0, 3.0, 3.0])), "s", "lengths"))
    high = [(height, title) for _, height, title in found if height > 0]
    assert len(high) == 2
    assert high[0][0] == pytest.approx(2 * high[1][0], abs=0.02)
    assert high[0][1] == "1 to 1.1 s: 4"


def test_a_tail_is_a_bar_of_its_own() -> None:
    values = np.concatenate([np.linspace(0, 10, 500), [900.0]])
    svg = histogram(summary(values), "s", "lengths")
    style, _, title = bars(svg)[-1]
    assert (style, title) == ("bin tail", "above 10 s: 1")
    assert "then to 900" in svg


def test_of_nothing_there_is_no_chart() -> None:
    assert histogram(None, "s", "lengths") == ""


def test_very_many_labels_are_drawn_with_few_bars() -> None:
    found = bars(ranked(list(range(5000, 0, -1)), "labels"))
    heights = [height for _, height, _ in found]
    assert len(found) == 200
    assert heights == sorted(heights, reverse=True)


def test_a_wave_fills_its_height_and_marks_where_there_is_no_sound() -> None:
    high = np.zeros(COLUMNS)
    high[COLUMNS // 2] = 0.01
    svg = waveform(Wave(-high, high, (0.25, 1.0)), 'sound of "x"')
    picture = ElementTree.fromstring(svg)
    path = next(picture.iter("path")).attrib["d"]
    assert f"L{COLUMNS // 2} 0L" in path
    assert path.startswith("M0 50L")
    [void] = picture.iter("rect")
    assert (void.attrib["x"], void.attrib["width"]) == ("0.0", f"{COLUMNS / 4:.1f}")


def test_silence_is_a_line() -> None:
    flat = np.zeros(COLUMNS)
    picture = ElementTree.fromstring(waveform(Wave(flat, flat, (0.0, 1.0)), "silence"))
    assert list(picture.iter("rect")) == []
