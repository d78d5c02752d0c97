"""The numbers of an outcome, as the tables of pages have them; nothing is computed here but intervals of folds."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from evaluation import reference
from evaluation.comparison import Cell
from evaluation.metrics import wilson
from evaluation.pages.names import contender_name, metric_name
from evaluation.svg import interval_strip
from evaluation.who import CHANCE, MAJORITY, PRETRAINED, floor_of

_SIDES = ("_low", "_high", "_std", "_gain")
_MOST_MISTAKES = 10
Outcome = Mapping[str, Any]


@dataclass(frozen=True)
class Contender:
    """Somebody's main metric: interval, standard deviations over folds and seeds, how far the export is above.

    `difference`: `value`, `low`, `high`, `p`, `groups`; None where nothing can be paired.
    """

    who: str
    name: str
    cell: Cell
    fold_std: float | None
    seed_std: float | None
    difference: Mapping[str, Any] | None
    strip: Markup


def metric_names(outcome: Outcome) -> list[str]:
    """The metrics of an outcome that are shares of test items, the main one first."""
    names = [n for n in outcome["metrics"] if not n.endswith(_SIDES) and n != "C"]
    return sorted(names, key=lambda name: name != outcome["main"])


def cell(metrics: Mapping[str, float], name: str) -> Cell:
    """A metric with its interval, where it has one."""
    return Cell(metrics.get(name), metrics.get(f"{name}_low"), metrics.get(f"{name}_high"))


def everyone(outcome: Outcome) -> dict[str, Mapping[str, float]]:
    """Who -> metrics: the export first, then what was trained or computed, then what needs no look."""
    baselines = outcome["baselines"]
    blind = [who for who in baselines if who in (CHANCE, MAJORITY)]
    others = [who for who in baselines if who not in blind]
    return {PRETRAINED: outcome["metrics"], **{who: baselines[who] for who in (*others, *blind)}}


def contenders(outcome: Outcome) -> list[Contender]:
    """A row for everybody who has the main metric."""
    main = outcome["main"]
    chance = outcome["baselines"].get(CHANCE, {}).get(main)
    rows = []
    for who, metrics in everyone(outcome).items():
        if main not in metrics:
            continue
        name, found = contender_name(who, outcome["protocol"]), cell(metrics, main)
        label = f"{name}: {found.text()}"
        rows.append(
            Contender(
                who,
                name,
                found,
                metrics.get(f"{main}_std"),
                metrics.get(f"{main}_seed_std"),
                outcome.get("differences", {}).get(who, {}).get(main),
                Markup(interval_strip(found.value or 0.0, found.low, found.high, chance, None, label)),
            )
        )
    return rows


def all_metrics(outcome: Outcome) -> tuple[list[str], list[tuple[str, list[Cell]]]]:
    """Names of everybody, and for each metric its name and a cell of each."""
    people = everyone(outcome)
    heads = [contender_name(who, outcome["protocol"]) for who in people]
    rows = [
        (metric_name(name), [cell(metrics, name) for metrics in people.values()])
        for name in metric_names(outcome)
    ]
    return heads, rows


def divisions(outcome: Outcome) -> list[dict[str, Any]]:
    """A row for each split or fold and seed: sizes, the main metric of all, and Wilson's interval of the export's."""
    main, rows = outcome["main"], []
    for part in outcome.get("folds") or outcome.get("splits") or ():
        value = part["metrics"].get(main)
        low, high = (None, None) if value is None else wilson(value * part["n_test"], part["n_test"])
        others = {who: metrics.get(main) for who, metrics in part["baselines"].items()}
        rows.append({**part, "own": Cell(value, low, high), "others": others})
    return rows


def class_rows(outcome: Outcome) -> list[tuple[Mapping[str, Any], Markup]]:
    """Accuracy by class with its chart, best first; the ring is the floor (`who.FLOORS`)."""
    chance = outcome["baselines"].get(CHANCE, {}).get(outcome["main"])
    floor = floor_of(outcome["baselines"])
    rows = sorted(outcome["per_class"], key=lambda row: (-row["accuracy"], row["class"]))
    return [
        (
            row,
            Markup(
                interval_strip(
                    row["accuracy"],
                    row["low"],
                    row["high"],
                    chance,
                    row.get(floor),
                    f"{row['class']}: {row['accuracy']:.2f} of {row['n']}",
                )
            ),
        )
        for row in rows
    ]


def mistakes(confusion: Mapping[str, Any]) -> list[tuple[str, str, int, int]]:
    """The most frequent ones: what it is, what it was taken for, how often, of how many."""
    classes, counts = confusion["classes"], confusion["counts"]
    found = [
        (classes[i], classes[j], count, sum(row))
        for i, row in enumerate(counts)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(found, key=lambda one: (-one[2], -one[2] / one[3], one[0], one[1]))[:_MOST_MISTAKES]


def confusion_csv(confusion: Mapping[str, Any]) -> str:
    """The matrix as a file: what is true downwards, what was answered to the right."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["true class", *confusion["classes"]])
    for name, row in zip(confusion["classes"], confusion["counts"], strict=True):
        writer.writerow([name, *row])
    return buffer.getvalue()


def training_items(outcome: Mapping[str, Any]) -> float:
    """How many items trained the classifier, or were the gallery: the mean over splits or folds."""
    rows = outcome.get("folds") or outcome.get("splits") or ()
    return sum(row["n_train"] for row in rows) / len(rows) if rows else 0.0


def own_rows(protocol: str, named: Sequence[tuple[str, Outcome]]) -> dict[str, Any]:
    """What stands above the published rows: the same metric, measured here.

    `rows`: name, cell, number of training items, whether only a part of the official list was there.
    """
    metric = reference.METRICS.get(protocol, "")
    rows = [
        (name, cell(one["metrics"], metric), training_items(one), _partial(one["coverage"]))
        for name, one in named
    ]
    return {"metric": metric_name(metric), "rows": rows}


def _partial(coverage: Mapping[str, Any]) -> bool:
    return bool(coverage["missing"]) or not coverage["official_list"]
