"""Outcomes of evaluations as they were saved: in MLflow, or as the JSON that a command printed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chronav import storage, tracking
from chronav.errors import CallError

ANSWERS = "answers.json"
_LEAST = 4
"""Letters of a run's id that are taken for one."""
_NEEDED = ("protocol", "main", "dataset", "export", "metrics", "baselines", "coverage")


@dataclass(frozen=True)
class Evaluated:
    """An outcome of one protocol, and what was answered for each test item, as columns, where MLflow has that."""

    outcome: dict[str, Any]
    answers: Mapping[str, list] | None = None


def load_outcomes(names: Sequence[str]) -> list[Evaluated]:
    """The outcomes that are named, each a file of JSON or an MLflow run; `all` gives one a protocol.

    A run by its id, or by at least four letters that no other id begins with. Raises `CallError` for what is neither,
    and for what is no outcome of an evaluation.
    """
    found = []
    for name in names:
        for outcome in _parts(_read(name), name):
            found.append(Evaluated(outcome, _answers(outcome.get("mlflow_run_id"))))
    return found


def _read(name: str) -> Any:
    if storage.is_file(name):
        return _last_json(storage.read_bytes(name).decode("utf-8", errors="replace"), name)
    run_id = _run_id(name)
    text = None if run_id is None else tracking.artifact_text(run_id, "outcome.json")
    if text is None:
        raise CallError(
            f"'{name}' is no file, and no run with an outcome in the MLflow store {tracking.tracking_uri()}",
            code="no_such_run",
            path=name,
        )
    return json.loads(text)


def _run_id(name: str) -> str | None:
    """The run that `name` is the id of, or the beginning of the id, where no other begins so."""
    found = tracking.runs_beginning("evaluate", name) if len(name) >= _LEAST else []
    if len(found) > 1 and name not in found:
        raise CallError(
            f"'{name}' is the beginning of several runs: {', '.join(sorted(found))}",
            code="ambiguous_run",
            path=name,
        )
    return found[0] if found else None


def _last_json(text: str, name: str) -> Any:
    """A file that is JSON, or that a command's output was saved to: then its last line is."""
    for part in (text, text.rstrip().rpartition("\n")[2]):
        try:
            return json.loads(part)
        except ValueError:
            continue
    raise CallError(f"'{name}' holds no JSON outcome", code="bad_outcome", path=name)


def _parts(outcome: Any, name: str) -> list[dict[str, Any]]:
    parts = [outcome]
    if isinstance(outcome, dict) and isinstance(outcome.get("protocols"), dict):
        parts = list(outcome["protocols"].values())
    for part in parts:
        missing = [key for key in _NEEDED if not isinstance(part, dict) or key not in part]
        if missing:
            raise CallError(
                f"'{name}' is no outcome of `chronav evaluate`: it has no '{missing[0]}'",
                code="bad_outcome",
                path=name,
            )
    return parts


def _answers(run_id: str | None) -> dict[str, list] | None:
    text = tracking.artifact_text(run_id, ANSWERS) if run_id else None
    if text is None:
        return None
    table = json.loads(text)
    return {name: [row[i] for row in table["data"]] for i, name in enumerate(table["columns"])}
