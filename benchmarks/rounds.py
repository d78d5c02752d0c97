"""What the side-by-side benchmarks share: interleaved rounds, medians with their spread, tables, the page."""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TypeVar

from chronav import __version__

PAGE = "docs/benchmarks.md"
_HEAD = """# Benchmarks

Every section is written by the command that it names; do not edit by hand. All contestants of a table ran in one run,
in turns: compare the figures within a table, not between tables.
"""
T = TypeVar("T")


def interleave(contestants: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Run every contestant once a round, each round beginning with another: a slow minute hits all alike."""
    names = list(contestants)
    results: dict[str, list[T]] = {name: [] for name in names}
    for number in range(rounds):
        at = number % len(names)
        for name in names[at:] + names[:at]:
            results[name].append(contestants[name]())
    return results


def spread(values: Sequence[float], digits: int) -> str:
    """Median and range, as `12.3 (11.9 to 12.8)`."""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def ratios(values: Sequence[float], others: Sequence[float]) -> list[float]:
    """Round by round: what two contestants that ran side by side are to one another."""
    return [value / other for value, other in zip(values, others, strict=True)]


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def heading(title: str, command: str) -> str:
    """The head of a section: what, when, on what machine and by which command."""
    return (
        f"## {title}\n\n{date.today().isoformat()}, chronav {__version__}, {platform.machine()}, "
        f"{os.cpu_count()} CPU cores (load {os.getloadavg()[1]:.1f} in the five minutes before the end), "
        f"Python {platform.python_version()}. Written by `{command}`."
    )


def write_section(page: str, name: str, text: str) -> None:
    """Put `text` into the section `name` of a page, in place of what an earlier run wrote there."""
    path = Path(page)
    before = path.read_text() if path.exists() else _HEAD
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    section = f"{begin}\n{text.strip()}\n{end}\n"
    pattern = re.compile(f"{re.escape(begin)}.*{re.escape(end)}\n", re.DOTALL)
    after = pattern.sub(lambda _: section, before) if pattern.search(before) else f"{before}\n{section}"
    path.write_text(after)
