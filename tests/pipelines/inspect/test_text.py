from __future__ import annotations

import pytest

from pipelines.inspect.numbers import overview
from pipelines.inspect.text import as_text, hours_text, size_text, sparkline, value_text


def test_the_text_says_it_all(small: str) -> None:
    text = as_text(overview(small).numbers)
    for line in (
        "files       8: 3 ok, 0 rejected, 5 failed",
        "            5 failed: unreadable\n"
        "              /media/0.txt (<text>)\n"
        "              /media/1.txt (<text>)\n"
        "              /media/2.txt (<text>)\n"
        "              and 2 more\n"
        "            1 ok, but truncated\n"
        "              /media/b (9 of 10 announced frames are there)\n"
        f"            --html PAGE names up to 300 of each, the ledger {small}.ledger all\n",
        "segments    4 of 3 videos; 3 with picture, 3 with sound",
        "hours       8 s of video, 9 s of sound",
        "pictures    48x32 3",
        "source fps  25 3",
        "labels      2, of 1 to 1 videos each (median 1); 1 videos without",
        "split       ucf101/1: test 1, train 1",
        "duplicates  1 videos are near duplicates of earlier ones",
    ):
        assert line in text
    assert all(line == line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1200, "1.2 kB"), (123e6, "123 MB"), (4.5e15, "4500 TB")]
)
def test_sizes(size: float, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("hours", "text"), [(0.0, "0 s"), (0.01, "36 s"), (0.5, "30 min"), (2.0, "2.0 h"), (1234.56, "1,234.6 h")]
)
def test_hours(hours: float, text: str) -> None:
    assert hours_text(hours) == text


def test_only_an_empty_bin_is_the_lowest_block() -> None:
    assert sparkline([0, 1, 500, 1000]) == "▁▂▅█"
    assert sparkline([]) == ""


def test_config_values_are_written_as_in_a_config_file() -> None:
    assert [value_text(value) for value in (16.0, 0.5, 128, True, None, "keep")] == [
        "16", "0.5", "128", "true", "null", "keep",
    ]  # fmt: skip
