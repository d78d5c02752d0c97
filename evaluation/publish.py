"""An outcome into its report and its MLflow run: every number a metric, every table an artifact."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from chronav import storage
from chronav.outcome import Outcome
from chronav.tracking import Run
from evaluation.comparison import as_text
from evaluation.config import EvaluateConfig
from evaluation.neighbours import neighbour_rows
from evaluation.report import write_evaluation_report


def publish(
    run: Run, outcome: Outcome, config: EvaluateConfig, tables: Mapping[str, dict[str, list]]
) -> None:
    """Adds `report` and `summary` to the outcome. `tables`: further artifacts, name -> column -> values."""
    name = f"{outcome['protocol']}-{outcome['dataset']}-{run.run_id[:8]}.html"
    outcome["report"] = storage.join(storage.absolute(config.out), name)
    outcome["summary"] = as_text(outcome)
    rows = neighbour_rows(outcome["table"], outcome["neighbours"]) if "neighbours" in outcome else []
    write_evaluation_report(outcome["report"], outcome, rows)
    run.metrics(metric_values(outcome))
    for table, columns in {**outcome_tables(outcome), **tables}.items():
        if columns:
            run.table(f"{table}.json", columns)
    run.text("outcome.json", json.dumps(outcome))
    if not storage.is_url(outcome["report"]):
        run.artifact(outcome["report"])


def metric_values(outcome: Mapping[str, Any]) -> dict[str, float]:
    """Every number of an outcome under one name: baselines, differences and folds by `<who>/<metric>`."""
    values = dict(outcome["metrics"])
    for baseline, metrics in outcome["baselines"].items():
        values |= {f"{baseline}/{name}": value for name, value in metrics.items()}
    for other, found in outcome["differences"].items():
        for name, numbers in found.items():
            values |= {f"less_{other}/{name}_{key}": value for key, value in numbers.items()}
    for row in outcome.get("folds") or outcome.get("splits") or ():
        place = re.sub(r"[^\w.-]+", "_", row["name"]) + (
            f"_seed_{row['seed']}" if _several_seeds(outcome) else ""
        )
        values |= {f"{place}/{name}": value for name, value in row["metrics"].items()}
    values |= {f"coverage/{k}": v for k, v in outcome["coverage"].items() if not isinstance(v, bool)}
    names = ("seen_in_pretraining", "short_clips", "clips", "clips_embedded", "seconds")
    return values | {name: outcome[name] for name in names}


def outcome_tables(outcome: Mapping[str, Any]) -> dict[str, dict[str, list]]:
    """The tables of an outcome as columns: all contenders, folds, classes, confusion."""
    rows = outcome.get("folds") or outcome.get("splits") or []
    confusion = outcome["confusion"]
    return {
        "comparison": _contenders(outcome),
        "folds": _columns([{"name": r["name"], "seed": r["seed"], **r["metrics"]} for r in rows]),
        "per_class": _columns(outcome["per_class"]),
        "confusion": {"true class": confusion["classes"]}
        | {name: [row[i] for row in confusion["counts"]] for i, name in enumerate(confusion["classes"])}
        if confusion["classes"]
        else {},
    }


def _contenders(outcome: Mapping[str, Any]) -> dict[str, list]:
    """A row for each number of each contender, with its interval and the protocol."""
    rows = []
    for who, metrics in {"pretrained": outcome["metrics"], **outcome["baselines"]}.items():
        for name, value in metrics.items():
            if not name.endswith(("_low", "_high", "_std")):
                rows.append(
                    {
                        "who": who,
                        "metric": name,
                        "value": value,
                        "low": metrics.get(f"{name}_low"),
                        "high": metrics.get(f"{name}_high"),
                        "std over folds": metrics.get(f"{name}_std"),
                        "protocol": outcome["protocol_text"],
                    }
                )
    return _columns(rows)


def _columns(rows: list[dict[str, Any]]) -> dict[str, list]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _several_seeds(outcome: Mapping[str, Any]) -> bool:
    rows = outcome.get("folds") or outcome.get("splits") or ()
    return len({row["seed"] for row in rows}) > 1
