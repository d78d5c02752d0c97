"""The page that sets evaluations beside one another, a part for each protocol and data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from chronav import page
from evaluation import reference
from evaluation.pages import numbers
from evaluation.pages.confusion import drawn_matrix
from evaluation.pages.curves import curve_chart, curves_of
from evaluation.pages.names import contender_name, metric_name, protocol_name
from evaluation.pages.templates import templates
from evaluation.svg import interval_strip
from evaluation.tasks import Task
from evaluation.who import CHANCE, PRETRAINED, SCRATCH, floor_of

_RINGS = ("the run's own network with random weights", "the run's own network, trained from scratch")
_MATRICES_SHOWN = 12  # up to so many classes they are open from the start


def write_compare_page(path: str, tasks: Sequence[Task]) -> None:
    """Write the page of some tasks to `path` (local or URL)."""
    page.write(path, templates(), "compare.html", tasks=[_task(task) for task in tasks])


def _task(task: Task) -> dict[str, Any]:
    named = [(f"{run.letter} {run.name}", run.outcome) for run in task.runs]
    return {
        "title": f"{protocol_name(task.protocol)}: {task.dataset}",
        "protocol": task.protocol,
        "runs": task.runs,
        "main_name": metric_name(task.main),
        "ring": _RINGS[any(SCRATCH in run.outcome["baselines"] for run in task.runs)],
        "differing": task.differing(),
        "curves": (found := curves_of(task)),
        "curve_chart": Markup(curve_chart(found, task)),
        "rows": _rows(task),
        "baselines": _baselines(task),
        "metrics": [
            (metric_name(name), [numbers.cell(run.outcome["metrics"], name) for run in task.runs])
            for name in task.metrics
        ],
        "published": reference.published(task.protocol, task.dataset),
        "published_note": reference.NOTE,
        "own": numbers.own_rows(task.protocol, named),
        "classes": _classes(task),
        "matrices": [
            (run, matrix) for run in task.runs if (matrix := Markup(drawn_matrix(run.outcome["confusion"])))
        ],
        "open": max(len(run.outcome["confusion"]["classes"]) for run in task.runs) <= _MATRICES_SHOWN,
    }


def _rows(task: Task) -> list[dict[str, Any]]:
    """The main metric of each run with its chart: the ring is its floor (`who.FLOORS`)."""
    rows = []
    for run in task.runs:
        own = numbers.cell(run.outcome["metrics"], task.main)
        baselines = run.outcome["baselines"]
        chance = baselines.get(CHANCE, {}).get(task.main)
        floor = baselines.get(floor_of(baselines), {}).get(task.main)
        label = f"{run.letter} {run.name}: {own.text()}"
        strip = Markup(interval_strip(own.value or 0.0, own.low, own.high, chance, floor, label))
        rows.append({"run": run, "cell": own, "strip": strip})
    return rows


def _baselines(task: Task) -> list[tuple[str, list[Any]]]:
    """A row for each baseline that any run has: the main metric in each run."""
    people = dict.fromkeys(who for run in task.runs for who in numbers.everyone(run.outcome))
    rows = [
        (
            contender_name(who, task.protocol),
            [numbers.cell(run.outcome["baselines"].get(who, {}), task.main) for run in task.runs],
        )
        for who in people
        if who != PRETRAINED
    ]
    return [(name, cells) for name, cells in rows if any(cell.value is not None for cell in cells)]


def _classes(task: Task) -> list[tuple[str, list[Any]]]:
    """Accuracy by class in each run, those first in which the runs differ most."""
    tables = [{row["class"]: row for row in run.outcome.get("per_class", ())} for run in task.runs]
    names = sorted({name for table in tables for name in table})
    rows = [(name, [table.get(name) for table in tables]) for name in names]
    return sorted(rows, key=lambda row: (-_spread(row[1]), row[0]))


def _spread(rows: Sequence[Any]) -> float:
    values = [row["accuracy"] for row in rows if row]
    return max(values) - min(values)
