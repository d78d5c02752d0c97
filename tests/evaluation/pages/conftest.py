"""A made-up outcome with all its parts, and a reader of pages that fails where a page is not whole."""

from __future__ import annotations

import copy
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

VOID = {"meta", "img", "br", "link", "input"}
COVERAGE = {
    "listed": 100,
    "found": 90,
    "missing": 10,
    "answerable": 40,
    "test_found": 41,
    "classes": 2,
    "official_list": True,
}
OUTCOME: dict[str, Any] = {
    "protocol": "linear",
    "protocol_text": "logistic regression; 10 clips; 95 % intervals",
    "main": "top1_video",
    "dataset": "ucf101",
    "data": "/data/my videos",
    "export": "/runs/first/export",
    "pretrain_run_id": "0123abcd",
    "exports": [{"export": "/runs/first/export", "pretrain_run_id": "0123abcd"}],
    "against": None,
    "table": "/tables/ucf",
    "table_version": 3,
    "division": "official split ucf101/1",
    "coverage": COVERAGE,
    "seen_in_pretraining": 0,
    "features": {"pretrained": "/cache/features/a"},
    "clips": 900,
    "clips_embedded": 900,
    "short_clips": 0,
    "metrics": {
        "top1_video": 0.7251,
        "top1_video_low": 0.6013,
        "top1_video_high": 0.8314,
        "top1_clip": 0.6172,
        "top1_clip_low": 0.5,
        "top1_clip_high": 0.7,
        "C": 0.1,
        "top1_video_gain": 0.31,
        "top1_video_gain_low": 0.2,
        "top1_video_gain_high": 0.4,
    },
    "baselines": {
        "random_weights": {"top1_video": 0.4132, "top1_video_low": 0.3, "top1_video_high": 0.5},
        "classical": {"top1_video": 0.4519, "top1_video_low": 0.33, "top1_video_high": 0.55},
        "chance": {"top1_video": 0.5},
        "majority_class": {"top1_video": 0.55},
    },
    "differences": {
        "random_weights": {
            "top1_video": {"value": 0.3119, "low": 0.2, "high": 0.4, "p": 0.0004, "groups": 40}
        }
    },
    "splits": [
        {
            "name": "ucf101/1",
            "seed": 0,
            "n_train": 50,
            "n_test": 40,
            "coverage": COVERAGE,
            "metrics": {"top1_video": 0.7251, "top1_clip": 0.6172, "C": 0.1},
            "baselines": {"random_weights": {"top1_video": 0.4132}, "chance": {"top1_video": 0.5}},
        }
    ],
    "per_class": [
        {"class": "Fan", "n": 22, "accuracy": 0.8182, "low": 0.6, "high": 0.9, "random_weights": 0.3636},
        {
            "class": "Rain & Sun",
            "n": 18,
            "accuracy": 0.6111,
            "low": 0.4,
            "high": 0.8,
            "random_weights": 0.4444,
        },
    ],
    "confusion": {"classes": ["Fan", "Rain & Sun"], "counts": [[18, 4], [7, 11]]},
    "notes": ["40 test items are few: read the intervals, not the values."],
    "mlflow_run_id": "feedbeef",
    "seconds": 1.5,
    "report": "/out/linear.html",
}


class Page(HTMLParser):
    """What is on a page; fails where a tag is closed that is not open."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.images: list[dict[str, str]] = []
        self.loads: list[str] = []
        self.words = ""
        self.source = path.read_text()
        self.feed(self.source)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids += [values["id"]] if "id" in values else []
        self.images += [values] if tag == "img" else []
        self.loads += [values[name] for name in ("src", "href", "poster", "srcset") if name in values]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.words += " ".join(data.split()) + " "

    def check_stands_alone(self) -> None:
        """Nothing comes from elsewhere, every picture has data and words, ids are unique."""
        assert all(address.startswith("data:") for address in self.loads)
        assert "http" not in self.source
        assert "url(" not in self.source.replace("url(data:", "")
        assert "@import" not in self.source
        assert all(image["alt"] and len(image["src"]) > 100 for image in self.images)
        assert len(self.ids) == len(set(self.ids))


@pytest.fixture
def made() -> Callable[..., dict[str, Any]]:
    """An outcome of its own; keywords replace what differs."""
    return lambda **values: copy.deepcopy(OUTCOME) | values


@pytest.fixture
def read_page() -> Callable[[Path], Page]:
    return Page
