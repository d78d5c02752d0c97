from __future__ import annotations

from pathlib import Path

from benchmarks.rounds import interleave, markdown, ratios, spread, write_section


def test_rounds_are_interleaved_and_each_begins_with_another():
    order: list[str] = []

    def runner(name: str):
        return lambda: order.append(name) or len(order)

    results = interleave({name: runner(name) for name in "abc"}, 3)
    assert "".join(order) == "abc" + "bca" + "cab"
    assert results == {"a": [1, 6, 8], "b": [2, 4, 9], "c": [3, 5, 7]}


def test_figures_and_tables():
    assert spread([3.0, 1.0, 2.26], 1) == "2.3 (1.0 to 3.0)"
    assert ratios([2.0, 9.0], [4.0, 3.0]) == [0.5, 3.0]
    assert markdown(["a", "b"], [["1", "2"], ["3", "4"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |"


def test_a_section_replaces_its_own_earlier_text_and_no_other(tmp_path: Path):
    page = tmp_path / "page.md"
    write_section(str(page), "one", "first\\1")
    write_section(str(page), "two", "second")
    write_section(str(page), "one", "third\\2")
    text = page.read_text()
    assert text.startswith("# Benchmarks")
    assert "first" not in text
    assert text.index("third\\2") < text.index("second")
    write_section(str(page), "one", "third\\2")
    assert page.read_text() == text
