"""Reports are whole, stand alone and tell what they should."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from evaluation.comparison import as_text, comparison
from evaluation.items import Segment, Video
from evaluation.neighbours import choose_queries, nearest, neighbour_rows, read_frames
from evaluation.report import (
    DemoContext,
    NeighbourRow,
    Sheet,
    accuracy_panels,
    loss_panels,
    write_demo_report,
)

VOID = {"meta", "img", "br", "link", "input"}


class Balanced(HTMLParser):
    """Fails where a tag is closed that is not open; collects what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def outcome(**values: Any) -> dict[str, Any]:
    return {
        "protocol": "linear",
        "protocol_text": "logistic regression; 10 clips",
        "dataset": "ucf101",
        "data": "/data/my videos",
        "export": "/e",
        "report": "/r.html",
        "metrics": {
            "top1_video": 0.9,
            "top1_video_low": 0.8,
            "top1_video_high": 0.95,
            "top1_video_50_labels": 0.7,
            "top1_video_50_labels_std": 0.02,
            "C": 0.1,
            "top1_video_gain": 0.5,
            "top1_video_gain_low": 0.4,
            "top1_video_gain_high": 0.6,
        },
        "baselines": {
            "random_weights": {"top1_video": 0.4, "top1_video_50_labels": 0.3},
            "chance": {"top1_video": 0.1},
            "majority_class": {"top1_video": 0.17},
        },
        "coverage": {
            "listed": 9,
            "found": 8,
            "missing": 1,
            "answerable": 4,
            "test_found": 4,
            "classes": 2,
            "official_list": True,
        },
        "notes": ["4 test items are few."],
    } | values


def context(tmp_path: Path, jpeg: bytes, **values: Any) -> DemoContext:
    accuracies = {"speed_v": {"value": 0.6, "chance": 0.25, "n": 80, "low": 0.5, "high": 0.7}}
    accuracies["order_va"] = dict.fromkeys(("value", "chance", "low", "high"), None) | {"n": 0}
    defaults: dict[str, Any] = {
        "title": "What <it> learnt",
        "pretrain": {"steps": 1000, "accuracies": accuracies},
        "history": [
            {"step": s, "loss/total": 9.0 - s, "train_accuracy/speed_v": 0.3, "heldout/speed_v": 0.5}
            for s in range(5)
        ],
        "evaluations": [outcome()],
        "parts_seconds": {"world": 12.0, "pretrain": 75.0},
        "neighbours": [
            NeighbourRow(
                Sheet("Fan", "v_Fan_g01_c01", None, [jpeg] * 3),
                [Sheet("Fan", "v_Fan_g02_c01", True, [jpeg]), Sheet("Rain", "v_Rain_g02_c01", False, [jpeg])],
            )
        ],
        "command": "chronav demo a<b",
        "notes": ["One seed."],
    }
    return DemoContext(**(defaults | values))


def read(path: Path) -> Balanced:
    page = Balanced()
    page.feed(path.read_text())
    assert not page.open
    return page


def test_demo_report_tells_everything(tmp_path: Path, kit: SimpleNamespace) -> None:
    jpeg = kit.jpegs(np.random.default_rng(0), (9, 99, 200), 1)[0]
    write_demo_report(str(tmp_path / "demo.html"), context(tmp_path, jpeg))
    page = read(tmp_path / "demo.html")
    assert len(page.loads) == 5
    assert all(address.startswith("data:image/jpeg;base64,") for address in page.loads)
    for words in (
        "What <it> learnt", "chronav demo a<b", "1,000 steps", "Speed, video", "not measured", "0.50–0.70",
        "Linear probe on video", "Top-1, 50 labelled videos", "✓ Fan", "✗ Rain", "One seed.", "1:15", "1:27",
        "4 test items are few.", "beside the same networks with random weights",
    ):  # fmt: skip
        assert words in page.words, words


def test_demo_report_of_unlabelled_videos(tmp_path: Path, kit: SimpleNamespace) -> None:
    jpeg = kit.jpegs(np.random.default_rng(0), (9, 99, 200), 1)[0]
    rows = [NeighbourRow(Sheet("", "a.mp4", None, [jpeg]), [Sheet("", "b.mp4", None, [jpeg])])]
    bare = context(
        tmp_path, jpeg, evaluations=[], neighbours=rows, history=[], pretrain={"steps": 1, "accuracies": {}}
    )
    write_demo_report(str(tmp_path / "demo.html"), bare)
    words = read(tmp_path / "demo.html").words
    assert "b.mp4" in words
    assert "random weights" not in words, "nothing was scored"
    assert "No labels were given" in words
    assert "which videos they find alike" in words
    assert "✗" not in words, (
        "without labels no neighbour is right or wrong, nor is it explained what that looks like"
    )
    assert "✓" not in words


def test_demo_report_promises_no_neighbours_where_there_are_none(tmp_path: Path) -> None:
    write_demo_report(str(tmp_path / "demo.html"), context(tmp_path, b"", evaluations=[], neighbours=[]))
    words = read(tmp_path / "demo.html").words
    assert "held out from training, where there are any." in words
    assert "alike" not in words


def test_history_is_drawn_by_name(tmp_path: Path) -> None:
    history = context(tmp_path, b"").history
    assert [panel.title for panel in loss_panels(history)] == ["Total"]
    mixed = [
        {"step": 1, "loss/order_va": 1.0, "loss/va": 2.0, "loss/speed_v": 1.4, "loss/total": 9.0, "lr": 0.1}
    ]
    titles = ["Total", "Contrastive, video / sound", "Speed, video", "Order, video / sound"]
    assert [panel.title for panel in loss_panels(mixed)] == titles
    (panel,) = accuracy_panels(history, {"speed_v": {"chance": 0.25}})
    assert panel.title == "Speed, video"
    assert panel.svg.count("polyline") == 2
    assert panel.svg.count('class="dot main"') == 5
    assert 'class="chance"' in panel.svg


def test_comparison_sets_like_beside_like() -> None:
    rows = comparison(outcome())
    assert [row.metric for row in rows] == ["top1_video", "top1_video_50_labels"]
    assert rows[0].pretrained.text() == "0.90 [0.80, 0.95]"
    assert [row.chance.value for row in rows] == [0.1, 0.1]
    retrieval = outcome(
        metrics={"R@10": 0.5}, baselines={"random_weights": {"R@10": 0.2}, "chance": {"R@10": 0.1}}
    )
    assert comparison(retrieval)[0].chance.value == 0.1
    text = as_text(outcome())
    assert "0.90 [0.80, 0.95]" in text
    assert "9 listed (official list), 8 found, 1 missing, 4 of 4 test items answerable" in text
    assert "note: 4 test items are few." in text
    assert "always the most frequent training class: 0.17" in text


def unlabelled(name: str, label: str | None) -> Video:
    return Video(name, None, label, None, {}, (Segment(0, 0, 16, None),))


def test_nearest_keeps_the_order_of_the_ranking() -> None:
    videos = [unlabelled("q", "x"), unlabelled("a", "y"), unlabelled("b", "x"), unlabelled("c", None)]
    (row,) = nearest(videos, np.array([0]), np.array([1, 2, 3]), np.array([[2, 1, 0]]), 4, 0)
    assert row["query"] == {"video_id": "q", "label": "x"}
    assert [(n["video_id"], n["correct"]) for n in row["neighbours"]] == [
        ("c", None),
        ("b", True),
        ("a", False),
    ]
    assert choose_queries(100, 5, 0) == choose_queries(100, 5, 0) != choose_queries(100, 5, 1)


def test_frames_of_a_video_are_its_own(tmp_path: Path, kit: SimpleNamespace) -> None:
    rows = [
        kit.clip_row("a", 0, n_frames=4, frames=[b"a0", b"a1", b"a2", b"a3"]),
        kit.clip_row("b", 1, n_frames=1, frames=[b"late"]),
        kit.clip_row("b", 0, n_frames=2, frames=[b"b0", b"b1"]),
        kit.clip_row("deaf", 0, n_frames=0),
    ]
    table = kit.write_table(tmp_path / "t", rows, commits=2)
    assert read_frames(table, ["b", "a"], 2) == {"a": [b"a1", b"a3"], "b": [b"b0", b"b1"]}
    found = neighbour_rows(
        table,
        [
            {
                "query": {"video_id": "b", "label": None},
                "neighbours": [{"video_id": "a", "label": "y", "correct": None}],
            }
        ],
        frames=1,
    )
    assert found == [NeighbourRow(Sheet("", "b", None, [b"b1"]), [Sheet("y", "a", None, [b"a2"])])]
