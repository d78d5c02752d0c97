"""The table that every outcome is read by: pre-trained beside its floor, beside all else that was measured."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evaluation.who import CHANCE, FLOORS, MAJORITY, floor_of


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
    """One metric by all who are compared; `floor`: see `who.FLOORS`; `others`: further baselines by name."""

    metric: str
    pretrained: Cell
    floor: Cell
    chance: Cell
    others: Mapping[str, Cell] = field(default_factory=dict)


def comparison(outcome: Mapping[str, Any]) -> list[Row]:
    """The rows of an `evaluate` outcome, in the order of its metrics."""
    metrics, baselines = outcome["metrics"], outcome["baselines"]
    side = ("_low", "_high", "_std")
    names = [n for n in metrics if not n.endswith(side) and not n.endswith("_gain") and n != "C"]
    floor = floor_of(baselines)
    more = [name for name in baselines if name not in (floor, CHANCE, MAJORITY)]
    return [
        Row(
            metric=name,
            pretrained=_cell(metrics, name),
            floor=_cell(baselines.get(floor, {}), name),
            chance=_cell(baselines.get(CHANCE, {}), re.sub(r"_\d+_labels$", "", name)),
            others={other: _cell(baselines[other], name) for other in more},
        )
        for name in names
    ]


def _cell(metrics: Mapping[str, float], name: str) -> Cell:
    return Cell(metrics.get(name), metrics.get(f"{name}_low"), metrics.get(f"{name}_high"))


def as_text(outcome: Mapping[str, Any]) -> str:
    """The comparison, the protocol, the coverage and the caveats, in lines for a terminal."""
    found = comparison(outcome)
    more = list(found[0].others) if found else []
    floor = FLOORS.get(floor_of(outcome["baselines"]) or "", "random weights")
    rows = [["", "pre-trained", floor, *(name.replace("_", " ") for name in more), "chance"]]
    rows += [
        [
            row.metric,
            *(cell.text() for cell in (row.pretrained, row.floor, *row.others.values(), row.chance)),
        ]
        for row in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [f"{outcome['protocol']} on {outcome['dataset']}: {outcome['export']}"]
    if "data" in outcome:  # outcomes of before have none
        lines.append(f"  data: {outcome['data']}")
    if found:
        lines += [
            "  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        lines += [*_each_fold(outcome), *_paired(outcome)]
    if MAJORITY in outcome["baselines"]:
        share = outcome["baselines"][MAJORITY]["top1_video"]
        lines.append(f"  always the most frequent training class: {share:.2f}")
    lines += [f"protocol: {outcome['protocol_text']}", coverage_text(outcome["coverage"])]
    lines += [f"note: {note}" for note in outcome["notes"]]
    if "mlflow_run_id" in outcome:
        lines.append(f"MLflow run: {outcome['mlflow_run_id']}")
    lines.append(f"report: {outcome['report']}")
    return "\n".join(lines)


def _each_fold(outcome: Mapping[str, Any]) -> list[str]:
    """The main metric of each fold, and its spread, where there are several."""
    main = outcome.get("main", "")
    rows = outcome.get("folds") or outcome.get("splits") or []
    if len(rows) < 2:
        return []
    each = ", ".join(f"{row['name']} {row['metrics'][main]:.2f} (n = {row['n_test']})" for row in rows)
    spread = outcome["metrics"].get(f"{main}_std")
    return [
        f"  {main} by fold: {each}" + (f"; standard deviation {spread:.3f}" if spread is not None else "")
    ]


def _paired(outcome: Mapping[str, Any]) -> list[str]:
    """How far the main metric is above each other contender's, item by item."""
    main = outcome.get("main", "")
    lines = []
    for name, found in outcome.get("differences", {}).items():
        if main in found:
            d = found[main]
            lines.append(
                f"  {main} less that of {name.replace('_', ' ')}: {d['value']:+.2f} "
                f"[{d['low']:+.2f}, {d['high']:+.2f}], {p_text(d['p'], d['groups'])}"
            )
    return lines


def p_text(p: float | None, groups: int) -> str:
    """`p = 0.031, 14 groups`: how small a p can be depends on what it is over."""
    return f"no p: {groups} groups are too few" if p is None else f"p = {p:.2g}, {groups} groups"


def coverage_text(cover: Mapping[str, Any]) -> str:
    """One line: what of the official list was found."""
    whose = "official list" if cover["official_list"] else "no official list given; as the table marks them"
    unusable = cover.get("unusable", 0)  # outcomes of before have none
    nothing = f", {unusable} found with nothing to measure" if unusable else ""
    return (
        f"coverage: {cover['listed']} listed ({whose}), {cover['found']} found{nothing}, {cover['missing']} missing, "
        f"{cover['answerable']} of {cover['test_found']} test items answerable, {cover['classes']} classes"
    )
