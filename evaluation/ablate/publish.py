"""A study into its page and its MLflow run: every number a metric, the table and the outcome artifacts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from chronav import page, storage
from chronav.outcome import Outcome
from chronav.tracking import Run
from evaluation.ablate.forest import forest
from evaluation.ablate.text import as_text, gap, number, remarks


def publish(run: Run, outcome: Outcome, out: str, again: bool) -> None:
    """Adds `report` and `summary` to the outcome, and writes it to `out` too, as `ablation.json`.

    `again`: the MLflow run holds an earlier result, which this one replaces.
    """
    outcome["report"] = storage.join(out, "ablation.html")
    outcome["summary"] = as_text(outcome)
    write_page(outcome["report"], outcome)
    text = json.dumps(outcome, indent=1)
    storage.write_bytes(storage.join(out, "ablation.json"), text.encode())
    run.metrics(metric_values(outcome))
    for name, columns in (
        ("ablation_table.json", long_table(outcome)),
        ("ablation_runs.json", run_table(outcome)),
    ):
        if again:  # MLflow would append to a table that is there
            rows = [list(row) for row in zip(*columns.values(), strict=True)]
            run.text(name, json.dumps({"columns": list(columns), "data": rows}))
        else:
            run.table(name, columns)
    run.text("ablation.json", text)
    if not storage.is_url(outcome["report"]):
        run.artifact(outcome["report"])


def write_page(path: str, outcome: Mapping[str, Any]) -> None:
    """The page of a study: the table, a forest of differences for each column, the runs."""
    page.write(
        path,
        page.environment("evaluation"),
        "ablation.html",
        o=outcome,
        remarks=remarks(outcome),
        table=[
            (row["name"], [(number(cell), gap(cell).rstrip("*"), cell) for cell in row["cells"].values()])
            for row in outcome["rows"]
        ],
        floors=[
            (name, [column["floors"].get(name) for column in outcome["columns"]])
            for name in ("random weights", "chance")
        ],
        forests=[
            (column["title"], Markup(forest(outcome, column["title"]))) for column in outcome["columns"]
        ],
    )


def metric_values(outcome: Mapping[str, Any]) -> dict[str, float]:
    """`<row>/<column>`, `…_std`, and `…_less_full` with `_low` and `_high`."""
    found: dict[str, float] = {"runs_missing": float(len(outcome["missing"])), "seconds": outcome["seconds"]}
    for row in long_rows(outcome):
        name = re.sub(r"[^\w./@-]+", "_", f"{row['row']}/{row['column']}")
        keys = {
            "mean": "",
            "std": "_std",
            "less_full": "_less_full",
            "low": "_less_full_low",
            "high": "_less_full_high",
        }
        found |= {name + end: row[key] for key, end in keys.items() if row[key] is not None}
    return found


def long_rows(outcome: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One dict for each row and column of the table."""
    found = []
    for row in outcome["rows"]:
        for title, cell in row["cells"].items():
            gap_ = cell.get("difference") or {}
            found.append(
                {
                    "row": row["name"],
                    "column": title,
                    "mean": cell["mean"],
                    "std": cell["std"],
                    "seeds": len(cell["seeds"]),
                    "less_full": gap_.get("value"),
                    "low": gap_.get("low"),
                    "high": gap_.get("high"),
                    "interval over": gap_.get("over") or "",
                    "trained": cell["trained"],
                    "left out": cell.get("left_out", ""),
                }
            )
    return found


def long_table(outcome: Mapping[str, Any]) -> dict[str, list]:
    """The same as columns, as MLflow shows tables."""
    return _columns(long_rows(outcome))


def run_table(outcome: Mapping[str, Any]) -> dict[str, list]:
    """The runs as columns."""
    return _columns(
        [
            {**one, "evaluate_runs": ", ".join(f"{name} {run}" for name, run in one["evaluate_runs"].items())}
            for one in outcome["runs"]
        ]
    )


def _columns(rows: list[dict[str, Any]]) -> dict[str, list]:
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
