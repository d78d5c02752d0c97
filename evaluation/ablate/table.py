"""The result of a study: a row for the full method and each piece taken away, a column for each accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.ablate.config import FULL
from evaluation.ablate.differences import Difference, crossed, over_seeds
from evaluation.ablate.runs import PRETRAIN
from evaluation.metrics import spread_of
from evaluation.who import CHANCE, RANDOM
from trainer.config import HEADS

Outcomes = Mapping[str, Mapping[str, Any]]
"""Stage of a run (`pretrain`, or a protocol) -> its outcome."""


@dataclass(frozen=True)
class Row:
    """The runs of a row that there are, by seed; `untrained`: the heads that it does not train."""

    name: str
    runs: Mapping[int, Outcomes]
    untrained: Sequence[str] = ()


@dataclass(frozen=True)
class Column:
    """A head's accuracy on held-out videos, or the main metric of a protocol."""

    title: str
    stage: str
    metric: str


def columns_of(rows: Sequence[Row], protocols: Sequence[str]) -> list[Column]:
    """Protocols first, then heads; only those that the full method has a number for."""
    full = next(row for row in rows if row.name == FULL)
    found = []
    for protocol in protocols:
        mains = [run[protocol]["main"] for run in full.runs.values() if "main" in run.get(protocol, {})]
        if mains:
            found.append(Column(f"{protocol} {mains[0]}", protocol, mains[0]))
    found += [Column(head, PRETRAIN, head) for head in HEADS]
    return [column for column in found if values(full, column)]


def values(row: Row, column: Column) -> dict[int, float]:
    """Seed -> the number, of the runs that have it."""
    found: dict[int, float] = {}
    for seed, run in row.runs.items():
        outcome = run.get(column.stage, {})
        if column.stage == PRETRAIN:
            value = outcome.get("accuracies", {}).get(column.metric, {}).get("value")
        else:
            value = outcome.get("metrics", {}).get(column.metric)
        if value is not None:
            found[seed] = value
    return found


def cell(row: Row, full: Row, column: Column) -> dict[str, Any]:
    """`mean`, `std` over seeds (None for one), `seeds`, `trained`, and, but for the full method, `difference`.

    `difference`: `value`, `low`, `high`, `over`, `clear`, `seeds`, paired by seed (and by test video); None without
    a seed in common. `left_out`: why there is no number.
    """
    own = values(row, column)
    found: dict[str, Any] = {
        "mean": float(np.mean(list(own.values()))) if own else None,
        "std": spread_of(list(own.values())) if len(own) > 1 else None,
        "seeds": sorted(own),
        "trained": column.stage != PRETRAIN or column.metric not in row.untrained,
    }
    reasons = [
        run[column.stage]["left_out"] for run in row.runs.values() if "left_out" in run.get(column.stage, {})
    ]
    if not own and reasons:
        found["left_out"] = reasons[0]
    if row.name != FULL:
        shared = sorted(own.keys() & values(full, column).keys())
        gap = difference(row, full, column, shared) if shared else None
        found["difference"] = asdict(gap) | {"clear": gap.clear, "seeds": shared} if gap else None
    return found


def difference(row: Row, full: Row, column: Column, seeds: Sequence[int]) -> Difference:
    """Without the piece less the full method: paired by seed, and where there are items by test video too."""
    if column.stage == PRETRAIN:
        theirs, own = values(full, column), values(row, column)
        return over_seeds([theirs[seed] for seed in seeds], [own[seed] for seed in seeds])
    base = [full.runs[seed][column.stage]["items"] for seed in seeds]
    other = [row.runs[seed][column.stage]["items"] for seed in seeds]
    keys = list(zip(base[0]["fold"], base[0]["video_id"], strict=True))
    d = np.array([_aligned(b, keys) for b in other]) - np.array([_aligned(a, keys) for a in base])
    _, units = np.unique(np.array(base[0]["unit"], dtype=str), return_inverse=True)
    return crossed(d, fold_weights(base[0]["fold"]), units.astype(np.int64))


def fold_weights(folds: Sequence[str]) -> npt.NDArray[np.float64]:
    """Weights of items, (I,), with which their mean is the mean over folds of each fold's mean."""
    _, place, counts = np.unique(np.array(folds, dtype=str), return_inverse=True, return_counts=True)
    return 1.0 / (counts.size * counts[place])


def _aligned(items: Mapping[str, Sequence], keys: Sequence[tuple[str, str]]) -> list[float]:
    found = dict(zip(zip(items["fold"], items["video_id"], strict=True), items["value"], strict=True))
    if found.keys() != set(keys):
        raise ValueError("two runs of a study were measured on different test items")
    return [found[key] for key in keys]


def floors(full: Row, column: Column) -> dict[str, float]:
    """What the full method's number is to be read beside: `chance`, `random weights`; means over its seeds."""
    found: dict[str, list[float]] = {}
    for run in full.runs.values():
        outcome = run.get(column.stage, {})
        if column.stage == PRETRAIN:
            head = outcome.get("accuracies", {}).get(column.metric, {})
            found.setdefault("chance", []).append(head.get("chance"))
        for name in (CHANCE, RANDOM):
            value = outcome.get("baselines", {}).get(name, {}).get(column.metric)
            found.setdefault(name.replace("_", " "), []).append(value)
    kept = {name: [v for v in numbers if v is not None] for name, numbers in found.items()}
    return {name: float(np.mean(numbers)) for name, numbers in kept.items() if numbers}


def study(rows: Sequence[Row], protocols: Sequence[str]) -> dict[str, Any]:
    """`columns` (title, floors) and `rows` (name, cells by title) of an outcome."""
    full = next(row for row in rows if row.name == FULL)
    columns = columns_of(rows, protocols)
    return {
        "columns": [
            {"title": column.title, "stage": column.stage, "floors": floors(full, column)}
            for column in columns
        ],
        "rows": [
            {"name": row.name, "cells": {column.title: cell(row, full, column) for column in columns}}
            for row in rows
        ],
    }


def clear_differences(outcome: Mapping[str, Any]) -> list[str]:
    """In words the differences whose interval leaves out 0, heads that a row does not train left aside."""
    return [
        f"{row['name']}: {title} {found['difference']['value']:+.2f}"
        for row in outcome["rows"]
        for title, found in row["cells"].items()
        if found.get("difference") and found["difference"]["clear"] and found["trained"]
    ]


def compared(outcome: Mapping[str, Any]) -> int:
    """How many differences there are, of what is trained."""
    cells = [found for row in outcome["rows"] for found in row["cells"].values()]
    return sum(bool(found.get("difference")) and found["trained"] for found in cells)
