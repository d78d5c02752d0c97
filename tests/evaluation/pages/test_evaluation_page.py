from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from evaluation.pages.evaluation_page import write_evaluation_page
from evaluation.pages.exhibits import Answered, Exhibits
from evaluation.pages.feature_map import FeatureMap, Point, mosaic
from evaluation.report import NeighbourRow, Sheet

Made = Callable[..., dict[str, Any]]


def exhibits(kit: SimpleNamespace) -> Exhibits:
    rng = np.random.default_rng(0)
    jpeg, flac = kit.jpegs(rng, (9, 99, 200), 1)[0], kit.flac(rng, 440.0, 0.2)
    points = [
        Point("v1", "Fan", True, "Rain & Sun"),
        Point("v2", "Fan", False),
        Point("v3", "Rain & Sun", True, "Rain & Sun"),
    ]
    thumbnails, columns = mosaic([np.full((64, 64, 3), 90, np.uint8)] * 3)
    places = {"t-SNE": rng.random((3, 2)), "PCA": rng.random((3, 2))}
    return Exhibits(
        answers=[Answered(Sheet("Fan", "v<1>", False, [jpeg] * 3, flac), "Rain & Sun")],
        map=FeatureMap(points, places, 0.42, 3, thumbnails, columns),
        missing=["v_gone_1", "v_gone_2"],
        silenced=2,
    )


def test_the_page_stands_alone_and_shows_what_there_is(
    tmp_path: Path, made: Made, read_page: Any, kit: SimpleNamespace
) -> None:
    write_evaluation_page(str(tmp_path / "e.html"), made(), exhibits(kit))
    page = read_page(tmp_path / "e.html")
    page.check_stands_alone()
    assert len(page.images) == 3
    assert page.source.count('src="data:audio/flac;base64,') == 1
    assert page.source.count("data:image/jpeg;base64,") == 3 + 1  # the thumbnails of the map are one picture
    assert page.source.count('class="point ') == 3 + 3  # of the legend
    for words in (
        "Logistic regression; 10 clips", "40 test items are few", "taken for Rain & Sun", "v<1>",
        "The official list names 100 items. 90 were found, 10 are missing",
        "of 41 test items found, 40 can be answered", "2 missing items", "v_gone_1, v_gone_2",
        "2 sounds had no room", "hold 42 % of the variance", "official list found",
        "Rain & Sun, told right: v3", "The sound was not given to the network",
    ):  # fmt: skip
        assert words in page.words, words


def test_numbers_on_the_page_are_those_of_the_outcome(tmp_path: Path, made: Made, read_page: Any) -> None:
    outcome = made()
    write_evaluation_page(str(tmp_path / "e.html"), outcome, Exhibits())
    words = read_page(tmp_path / "e.html").words
    shares = [value for name, value in outcome["metrics"].items() if name != "C" and "gain" not in name]
    shares += [value for metrics in outcome["baselines"].values() for value in metrics.values()]
    shares += [
        row[key] for row in outcome["per_class"] for key in ("accuracy", "low", "high", "random_weights")
    ]
    for value in shares:
        assert f"{value:.3f}" in words, value
    assert "+0.312 +0.200 to +0.400, p < 0.001" in words
    assert "Fan, taken for Rain & Sun: 4 of 22" in words
    assert "Rain & Sun Fan 7 18" in words, "the most frequent mistake is in the table"
    assert words.index("Same network, random weights") < words.index("Colour, edges and motion energy")


def test_published_rows_are_of_the_same_task_and_data(tmp_path: Path, made: Made, read_page: Any) -> None:
    write_evaluation_page(str(tmp_path / "e.html"), made(), Exhibits())
    words = read_page(tmp_path / "e.html").words
    assert "BraVe (video+audio)" in words
    assert "0.930" in words
    assert "brave repository README" in words
    assert "measured here with 50 training items, on a part of the data set only" in words
    assert "STiCA" not in words, "that one is fine-tuned"
    write_evaluation_page(str(tmp_path / "w.html"), made(dataset="world"), Exhibits())
    words = read_page(tmp_path / "w.html").words
    assert "No published number is known" in words
    assert "BraVe" not in words


def test_what_could_not_be_measured_is_said_and_nothing_else(
    tmp_path: Path, made: Made, read_page: Any
) -> None:
    empty = made(
        metrics={}, baselines={}, differences={}, splits=[], per_class=[],
        confusion={"classes": [], "counts": []}, notes=["No accuracy on ucf101/1: 1 classes have both sides."],
    )  # fmt: skip
    write_evaluation_page(str(tmp_path / "e.html"), empty, Exhibits())
    page = read_page(tmp_path / "e.html")
    assert "No accuracy on ucf101/1" in page.words
    assert "Class by class" not in page.words
    assert "0.000" not in page.words


def test_folds_and_seeds_have_their_deviations(tmp_path: Path, made: Made, read_page: Any) -> None:
    metrics = made()["metrics"] | {"top1_video_std": 0.0123, "top1_video_seed_std": 0.0456}
    folds = [made()["splits"][0] | {"name": f"fold {n}", "seed": n} for n in (1, 2)]
    outcome = made(metrics=metrics, folds=folds)
    write_evaluation_page(str(tmp_path / "e.html"), outcome, Exhibits())
    words = read_page(tmp_path / "e.html").words
    for text in ("Deviation over folds", "0.012", "Deviation over seeds", "0.046", "fold 1", "fold 2"):
        assert text in words, text


@pytest.mark.parametrize("protocol", ["retrieval", "crossmodal"])
def test_sheets_of_neighbours(
    tmp_path: Path, made: Made, read_page: Any, kit: SimpleNamespace, protocol: str
) -> None:
    rng = np.random.default_rng(0)
    jpeg, flac = kit.jpegs(rng, (9, 99, 200), 1)[0], kit.flac(rng, 440.0, 0.2)
    found = [Sheet("Fan", "b", True, [jpeg], flac), Sheet("Rain", "c", False, [], flac)]
    rows = [NeighbourRow(Sheet("Fan", "a", None, [jpeg], flac), found)]
    main = "R@1" if protocol == "retrieval" else "v2a_R@1"
    outcome = made(protocol=protocol, main=main, metrics={main: 0.5}, baselines={}, splits=[])
    write_evaluation_page(str(tmp_path / "e.html"), outcome, Exhibits(neighbours=rows))
    page = read_page(tmp_path / "e.html")
    page.check_stands_alone()
    assert page.source.count("<audio") == 3
    assert "✓ Fan" in page.words
    assert "✗ Rain" in page.words
    assert ("whose sounds answer" in page.words) == (protocol == "crossmodal")
