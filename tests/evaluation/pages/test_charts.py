from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np

from evaluation.pages.confusion import confusion_matrix
from evaluation.pages.feature_map import FeatureMap, Point
from evaluation.pages.map_chart import feature_map, hue

SVG = "{http://www.w3.org/2000/svg}"


def test_cells_stand_where_row_and_column_cross() -> None:
    svg = confusion_matrix(["a<", "b"], [[3, 1], [0, 2]], "matrix")
    root = ElementTree.fromstring(svg)
    cells = {cell[0].text: cell for cell in root.iter("rect") if cell.get("class", "").startswith("cell")}
    assert set(cells) == {"a<, taken for a<: 3 of 4", "a<, taken for b: 1 of 4", "b, taken for b: 2 of 2"}
    right, wrong = cells["a<, taken for a<: 3 of 4"], cells["a<, taken for b: 1 of 4"]
    assert right.get("class") == "cell right"
    assert wrong.get("class") == "cell wrong"
    assert right.get("y") == wrong.get("y")
    assert float(right.get("x", 0)) < float(wrong.get("x", 0))
    assert float(right.get("fill-opacity", 0)) > float(wrong.get("fill-opacity", 0))


def test_many_classes_stay_small_and_few_have_names_and_counts() -> None:
    names = [f"class{i}" for i in range(101)]
    eye = np.eye(101, dtype=int).tolist()
    large = confusion_matrix(names, eye, "large")
    assert "<text" not in large
    assert large.count("<rect") == 1 + 101, "empty cells are not drawn"
    width = re.search(r'width="(\d+)"', large)
    assert width
    assert int(width[1]) < 800
    small = confusion_matrix(names[:5], [row[:5] for row in eye[:5]], "small")
    assert small.count("<text") == 5 + 5 + 5


def test_a_dot_has_its_places_its_class_and_its_words() -> None:
    points = [Point("v1", "b", True, "a"), Point("v2", "a", False), Point("v3", "b", True, "b")]
    places = {"t-SNE": np.array([[0, 0], [1, 1], [0.5, 0.5]]), "PCA": np.array([[1, 0], [0, 1], [0.5, 0]])}
    root = ElementTree.fromstring(feature_map(FeatureMap(points, places, 0.5, 3, None, 2), "map"))
    dots = {int(dot.get("data-i", -1)): dot for dot in root.iter("circle")}
    assert [dots[i].get("class") for i in range(3)] == ["point ask miss", "point known", "point ask"]
    assert [dots[i].get("data-c") for i in range(3)] == ["1", "0", "1"]
    assert dots[0].get("data-p") == "16.0,624.0 624.0,624.0"  # up is more
    assert (dots[0].get("cx"), dots[0].get("cy")) == ("16.0", "624.0")
    assert dots[0][0].text == "b, taken for a: v1"
    assert dots[2][0].text == "b, told right: v3"
    assert next(iter(root.iter("circle"))).get("data-i") == "1", "mistakes are painted last"


def test_hues_of_few_classes_are_far_apart() -> None:
    hues = sorted(hue(i) for i in range(8))
    gaps = np.diff([*hues, hues[0] + 360])
    assert gaps.min() > 20
