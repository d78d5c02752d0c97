from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from pipelines.inspect import InspectConfig, write_page

VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Fails where a tag is closed that is not open; collects what a page would load, and its words."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.words = ""
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_page_stands_alone_and_shows_everything(small: str, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    numbers = write_page(small, str(path))
    page = Page(path)
    assert all(load.startswith(("data:image/jpeg;base64,", "data:audio/flac;base64,")) for load in page.loads)
    assert (page.tags.count("img"), page.tags.count("audio")) == (3 * 8, 3)
    assert "script" not in page.tags
    assert not re.search(r"url\(|@import|https?://", path.read_text())
    words = " ".join(page.words.split())
    for text in (
        "source files, 335 B", "3 ok, 0 rejected, 5 failed", "failed: unreadable", "ok, but truncated", "<text>",
        "48 × 32", "Labels: 2, of 1 to 1 videos each", "Near duplicates of earlier videos: 1",
        "ucf101/1: train, ucf101/2: test", "no sound", "near duplicate of a", "short_side", "Dot", "Line",
    ):  # fmt: skip
        assert text in words
    assert numbers["segments"] == 4


def test_files_of_a_reason_are_listed_up_to_some_hundreds(
    tmp_path: Path, clip: Callable, make_table: Callable
) -> None:
    def files(reason: str, count: int) -> list[dict]:
        facts = {"status": "failed", "reason": reason, "size": 1, "clips": 0, "seconds": 0.0}
        return [{"source_uri": f"/media/{reason}-{i:04d}", **facts} for i in range(count)]

    ledger = files("unreadable", 1500) + files("silent", 3) + files("timeout", 300)
    table = make_table(tmp_path / "t", [[clip("a:0")]], ledger)
    write_page(table, str(tmp_path / "page.html"))
    page = Page(tmp_path / "page.html")
    assert page.tags.count("details") == 2
    assert [page.words.count(f"/media/{name}-") for name in ("unreadable", "silent", "timeout")] == [
        300,
        3,
        300,
    ]
    words = " ".join(page.words.split())
    assert "1,497 more /media/" in words
    assert "297 more /media/" in words
    assert words.count("in the ledger") == 1
    assert f"and 1,200 more, in the ledger {table}.ledger" in words


def test_a_hostile_label_stays_text(tmp_path: Path, clip: Callable, make_table: Callable) -> None:
    evil = '<script>alert("x")</script>'
    table = make_table(tmp_path / "t", [[clip("a:0", label=evil, group=evil, splits=[(evil, evil)])]])
    write_page(table, str(tmp_path / "page.html"))
    page = Page(tmp_path / "page.html")
    assert "script" not in page.tags
    assert page.words.count(evil) >= 4


def test_an_empty_table_has_a_page(tmp_path: Path, make_table: Callable) -> None:
    write_page(make_table(tmp_path / "t", []), str(tmp_path / "page.html"))
    assert "0" in Page(tmp_path / "page.html").words


def test_the_sample_is_that_of_the_seed_and_as_large_as_asked(
    tmp_path: Path, clip: Callable, make_table: Callable
) -> None:
    table = make_table(tmp_path / "t", [[clip(f"{i}:0", 1.0) for i in range(20)]])

    def shown(**values: int) -> list[str]:
        write_page(table, str(tmp_path / "page.html"), InspectConfig(**values))
        return re.findall(r"<code>(\d+:0)</code>", (tmp_path / "page.html").read_text())

    assert shown(samples=3, seed=1) == shown(samples=3, seed=1)
    assert shown(samples=3, seed=1) != shown(samples=3, seed=2)
    assert len(shown(samples=5)) == 5
    assert shown(samples=0) == []


def test_loud_long_sounds_do_not_make_a_large_page(
    tmp_path: Path, clip: Callable, make_table: Callable, flac: Callable
) -> None:
    noise = flac(np.random.default_rng(0).uniform(-1, 1, 100 * 8000))  # 1.6 MB, as if of a high rate
    rows = [clip(f"{i}:0", 12.0, audio=noise) for i in range(6)]
    write_page(make_table(tmp_path / "t", [rows]), str(tmp_path / "page.html"))
    assert 4e6 < (tmp_path / "page.html").stat().st_size < 8.5e6
    assert "would make this page too large" in (tmp_path / "page.html").read_text()
