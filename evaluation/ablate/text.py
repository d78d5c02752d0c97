"""The table of a study in lines for a terminal, and the words that belong to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.ablate.table import clear_differences, compared

_COLUMNS_A_BLOCK = 3


def as_text(outcome: Mapping[str, Any]) -> str:
    """Blocks of a few columns, what shows, notes, and where the page is."""
    columns = outcome["columns"]
    lines = [f"ablation of recipe {outcome['recipe']}, {outcome['steps']} steps, seeds {outcome['seeds']}"]
    for begin in range(0, len(columns), _COLUMNS_A_BLOCK):
        lines += ["", *_block(outcome, columns[begin : begin + _COLUMNS_A_BLOCK])]
    lines += ["", *remarks(outcome), *(f"note: {note}" for note in outcome["notes"])]
    return "\n".join([*lines, f"report: {outcome['report']}"])


def remarks(outcome: Mapping[str, Any]) -> list[str]:
    """How to read the intervals, and which differences they show."""
    several = len(outcome["seeds"]) > 1
    how = (
        "Each number is a mean over seeds. Differences to the full method are paired by seed and test video, their "
        "95 % intervals over both; of heads by seed alone."
        if several
        else "One seed: intervals are over test videos alone, heads have none, and another seed may give "
        "other differences."
    )
    count = compared(outcome)
    shown = "; ".join(clear_differences(outcome)) or "none"
    return [
        how,
        f"Intervals that leave out 0 (*): {shown}. Among {count} comparisons about {max(1, round(count / 20))} "
        "would by chance.",
    ]


def number(cell: Mapping[str, Any]) -> str:
    """`0.51 ± 0.05`: mean and standard deviation over seeds."""
    if cell["mean"] is None:
        return "-"
    return f"{cell['mean']:.2f}" + (f" ± {cell['std']:.2f}" if cell["std"] is not None else "")


def gap(cell: Mapping[str, Any]) -> str:
    """`-0.32 [-0.69, +0.05]`, with `*` where the interval leaves out 0; `not trained` for a guess."""
    found = cell.get("difference")
    if not cell["trained"]:
        return "not trained"
    if found is None:
        return ""
    span = f" [{found['low']:+.2f}, {found['high']:+.2f}]" if found["low"] is not None else ""
    return f"{found['value']:+.2f}{span}{'*' if found['clear'] else ''}"


def _block(outcome: Mapping[str, Any], columns: Sequence[Mapping[str, Any]]) -> list[str]:
    titles = [column["title"] for column in columns]
    rows = [["", *titles]]
    for row in outcome["rows"]:
        cells = [row["cells"][title] for title in titles]
        rows.append([row["name"], *(f"{number(cell)}  {gap(cell)}".rstrip() for cell in cells)])
    for floor in ("random weights", "chance"):
        known = [column["floors"].get(floor) for column in columns]
        if any(value is not None for value in known):
            rows.append([floor, *("" if value is None else f"{value:.2f}" for value in known)])
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip() for row in rows]
