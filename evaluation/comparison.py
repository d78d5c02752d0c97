"""The table that every outcome is read by: pre-trained beside random weights beside chance."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cell:
    """A value in 0..1, with its 95 % interval where it has one."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def text(self) -> str:
        """`0.80 [0.75, 0.84]`."""
        if self.value is None:
            return "-"
        span = f" [{self.low:.2f}, {self.high:.2f}]" if self.low is not None else ""
        return f"{self.value:.2f}{span}"


@dataclass(frozen=True)
class Row:
    """One metric by all who are compared."""

    metric: str
    pretrained: Cell
    random_weights: Cell
    chance: Cell


def comparison(outcome: Mapping[str, Any]) -> list[Row]:
    """The rows of an `evaluate` outcome, in the order of its metrics."""
    metrics, baselines = outcome["metrics"], outcome["baselines"]
    side = ("_low", "_high", "_std")
    names = [n for n in metrics if not n.endswith(side) and not n.endswith("_gain") and n != "C"]
    return [
        Row(
            metric=name,
            pretrained=_cell(metrics, name),
            random_weights=_cell(baselines["random_weights"], name),
            chance=_cell(baselines["chance"], re.sub(r"_\d+_labels$", "", name)),
        )
        for name in names
    ]


def _cell(metrics: Mapping[str, float], name: str) -> Cell:
    return Cell(metrics.get(name), metrics.get(f"{name}_low"), metrics.get(f"{name}_high"))


def as_text(outcome: Mapping[str, Any]) -> str:
    """The comparison, the protocol, the coverage and the caveats, in lines for a terminal."""
    rows = [("", "pre-trained", "random weights", "chance")]
    rows += [
        (row.metric, row.pretrained.text(), row.random_weights.text(), row.chance.text())
        for row in comparison(outcome)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [f"{outcome['protocol']} on {outcome['dataset']}: {outcome['export']}"]
    lines += ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    if "majority_class" in outcome["baselines"]:
        share = outcome["baselines"]["majority_class"]["top1_video"]
        lines.append(f"  always the most frequent training class: {share:.2f}")
    lines += [f"protocol: {outcome['protocol_text']}", coverage_text(outcome["coverage"])]
    lines += [f"note: {note}" for note in outcome["notes"]]
    lines.append(f"report: {outcome['report']}")
    return "\n".join(lines)


def coverage_text(cover: Mapping[str, Any]) -> str:
    """One line: what of the official list was found."""
    whose = "official list" if cover["official_list"] else "no official list given; as the table marks them"
    return (
        f"coverage: {cover['listed']} listed ({whose}), {cover['found']} found, {cover['missing']} missing, "
        f"{cover['answerable']} of {cover['test_found']} test items answerable, {cover['classes']} classes"
    )
