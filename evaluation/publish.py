"""An outcome into its report and its MLflow run: every number a metric, every table an artifact."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from chronav import storage
from chronav.outcome import Outcome
from chronav.registry import enter_scores
from chronav.tracking import Run
from evaluation import reference
from evaluation.comparison import Cell, as_text, coverage_text, p_text
from evaluation.config import EvaluateConfig
from evaluation.pages.evaluation_page import write_evaluation_page
from evaluation.pages.exhibits import Exhibits
from evaluation.pages.names import metric_name, protocol_name
from evaluation.pages.numbers import cell, confusion_csv, contenders, metric_names

# Keys by which the result is no other one: how the work is done, what is shown, what stands in the value itself.
_NO_SETTING = {
    *(
        "batch_size",
        "workers",
        "out",
        "cache",
        "neighbour_queries",
        "bootstrap",
        "supervised",
        "allow_seen",
        "draws",
    ),
    *("finetune.workers", "finetune.threads", "finetune.checkpoint_every", "finetune.log_every"),
    "finetune.max_failures",
}
_MOST_SETTINGS = 100  # letters
_MOST_NOTE = 4000  # letters that every store of MLflow takes


def publish(
    run: Run,
    outcome: Outcome,
    config: EvaluateConfig,
    tables: Mapping[str, dict[str, list]],
    exhibits: Exhibits,
) -> None:
    """Adds `report`, `summary` and, where anything was measured, `model_version` to the outcome.

    `tables`: further artifacts, name -> column -> values. `exhibits`: what the page shows beside numbers.
    """
    name = f"{outcome['protocol']}-{outcome['dataset']}-{run.run_id[:8]}.html"
    outcome["report"] = storage.join(storage.absolute(config.out), name)
    if outcome["metrics"]:
        scores = score_tags(outcome, config)
        versions = [
            enter_scores(run.uri, one["export"], one["pretrain_run_id"], scores) for one in outcome["exports"]
        ]
        outcome["model_version"] = ", ".join(versions)
        run.tags({"chronav.model_version": outcome["model_version"]})
    outcome["summary"] = as_text(outcome)
    write_evaluation_page(outcome["report"], outcome, exhibits)
    run.metrics(metric_values(outcome))
    for table, columns in {**outcome_tables(outcome), **tables}.items():
        if columns:
            run.table(f"{table}.json", columns)
    for file, text in _texts(outcome, exhibits).items():
        run.text(file, text)
    run.tags({"mlflow.note.content": description(outcome)})  # what MLflow's page of the run begins with


def _texts(outcome: Outcome, exhibits: Exhibits) -> dict[str, str]:
    """Artifacts by name: the outcome, the page, the confusion matrix, the items that are missing."""
    page = storage.read_bytes(outcome["report"]).decode("utf-8")
    texts = {"outcome.json": json.dumps(outcome), outcome["report"].rpartition("/")[2]: page}
    if outcome["confusion"]["classes"]:
        texts["confusion.csv"] = confusion_csv(outcome["confusion"])
    if exhibits.missing:
        texts["missing.txt"] = "\n".join(exhibits.missing) + "\n"
    return texts


def score_tags(outcome: Mapping[str, Any], config: EvaluateConfig) -> dict[str, str]:
    """What is written to the registered model: a value with its interval, and what of the data it is of.

    Named by protocol, data set (and its folder, where no official list names it), division and what was set: a score
    by other folds, of fewer clips or with few labels does not take the place of one by the protocol as it is.
    """
    cover = outcome["coverage"]
    data = f"{cover['answerable']} test items"
    if cover["missing"]:
        data += f", only {cover['found']} of {cover['listed']} listed items found"
    if outcome["seen_in_pretraining"]:
        data += f", {outcome['seen_in_pretraining']} of them seen in pre-training"
    # Two folders of one's own are two data sets, whatever both are called.
    where = "" if cover["official_list"] else f" in {outcome['data'].rstrip('/').rpartition('/')[2]}"
    task = (
        f"score {outcome['protocol']} {outcome['dataset']}{where}: {outcome['division']}:{_settings(config)}"
    )
    return {
        f"{task} {name}": f"{_exact(cell(outcome['metrics'], name))} ({data})"
        for name in metric_names(outcome)
    }


def _settings(config: EvaluateConfig) -> str:
    """` pool features:`: what is set otherwise than by default; where that is long, a digest of it."""
    default, mine = _flat(EvaluateConfig().model_dump()), _flat(config.model_dump())
    changed = {
        name: value for name, value in mine.items() if value != default[name] and name not in _NO_SETTING
    }
    text = " ".join(f"{name} {value}" for name, value in changed.items())
    if len(text) > _MOST_SETTINGS:
        text = f"settings {hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return f" {text}:" if text else ""


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat


def description(outcome: Mapping[str, Any]) -> str:
    """The outcome in Markdown: who reached what, by which protocol, on how much of the data, and all caveats."""
    lines = [f"**{protocol_name(outcome['protocol'])}: {outcome['dataset']}**", ""]
    rows = contenders(outcome)
    if rows:
        lines += [f"| | {metric_name(outcome['main'])} | the export is above by |", "|---|---|---|"]
        lines += [f"| {row.name} | {_exact(row.cell)} | {_above(row.difference)} |" for row in rows]
        lines.append("")
    lines += [outcome["protocol_text"], "", coverage_text(outcome["coverage"]), ""]
    text = "\n".join([*lines, *(f"- {note}" for note in outcome["notes"])])
    return text if len(text) <= _MOST_NOTE else f"{text[:_MOST_NOTE]}…\n\nThe rest is in outcome.json."


def _exact(cell: Cell) -> str:
    if cell.value is None:
        return "-"
    span = "" if cell.low is None else f" [{cell.low:.3f}, {cell.high:.3f}]"
    return f"{cell.value:.3f}{span}"


def _above(difference: Mapping[str, Any] | None) -> str:
    if difference is None:
        return ""
    d = difference
    return f"{d['value']:+.3f} [{d['low']:+.3f}, {d['high']:+.3f}], {p_text(d['p'], d['groups'])}"


def metric_values(outcome: Mapping[str, Any]) -> dict[str, float]:
    """Every number of an outcome under one name: baselines, differences and folds by `<who>/<metric>`."""
    values = dict(outcome["metrics"])
    for baseline, metrics in outcome["baselines"].items():
        values |= {f"{baseline}/{name}": value for name, value in metrics.items()}
    for other, found in outcome["differences"].items():
        for name, numbers in found.items():
            told = {key: value for key, value in numbers.items() if value is not None}
            values |= {f"less_{other}/{name}_{key}": value for key, value in told.items()}
    for row in outcome.get("folds") or outcome.get("splits") or ():
        place = re.sub(r"[^\w.-]+", "_", row["name"]) + (
            f"_seed_{row['seed']}" if _several_seeds(outcome) else ""
        )
        values |= {f"{place}/{name}": value for name, value in row["metrics"].items()}
    values |= {f"coverage/{k}": v for k, v in outcome["coverage"].items() if not isinstance(v, bool)}
    names = ("seen_in_pretraining", "short_clips", "clips", "clips_embedded", "seconds")
    return values | {name: outcome[name] for name in names}


def outcome_tables(outcome: Mapping[str, Any]) -> dict[str, dict[str, list]]:
    """The tables of an outcome as columns: all contenders, folds, classes, confusion, published numbers."""
    published = reference.published(outcome["protocol"], outcome["dataset"])
    rows = outcome.get("folds") or outcome.get("splits") or []
    confusion = outcome["confusion"]
    return {
        "comparison": _contenders(outcome),
        "folds": _columns([_fold_row(row) for row in rows]),
        "per_class": _columns(outcome["per_class"]),
        "published": _columns([{**asdict(row), "read as": reference.NOTE} for row in published]),
        "confusion": {"true class": confusion["classes"]}
        | {name: [row[i] for row in confusion["counts"]] for i, name in enumerate(confusion["classes"])}
        if confusion["classes"]
        else {},
    }


def _fold_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A fold: its sizes, the export's numbers, and those of all beside it as `<who>/<metric>`."""
    beside = {
        f"{who}/{name}": value
        for who, metrics in row.get("baselines", {}).items()
        for name, value in metrics.items()
    }
    sizes = {name: row.get(name) for name in ("n_train", "n_test")}
    return {"name": row["name"], "seed": row["seed"], **sizes, **row["metrics"], **beside}


def _contenders(outcome: Mapping[str, Any]) -> dict[str, list]:
    """A row for each number of each contender, with its interval and the protocol."""
    rows = []
    for who, metrics in {"pretrained": outcome["metrics"], **outcome["baselines"]}.items():
        for name, value in metrics.items():
            if not name.endswith(("_low", "_high", "_std")):
                over = "draws" if name.endswith("_labels") else "folds"
                rows.append(
                    {
                        "who": who,
                        "metric": name,
                        "value": value,
                        "low": metrics.get(f"{name}_low"),
                        "high": metrics.get(f"{name}_high"),
                        f"std over {over}": metrics.get(f"{name}_std"),
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
