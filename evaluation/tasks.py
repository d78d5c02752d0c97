"""Evaluations of the same protocol on the same data set, to be read side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from evaluation.comparison import p_text
from evaluation.outcomes import Evaluated
from evaluation.pages.numbers import cell, metric_names, training_items
from evaluation.paired import Paired, compare_answers

_MUST_AGREE = {
    "protocol_text": "Protocol",
    "division": "Division",
    "data": "Data",
    "table": "Clip table",
    "table_version": "Version of the table",
    "seen_in_pretraining": "Test items seen in pre-training",
}
_COVERAGE = {"listed": "Items listed", "found": "Items found", "answerable": "Test items answered"}


@dataclass(frozen=True)
class ComparedRun:
    """An evaluation with the letter it goes by; `paired`: how far it is above the first, or why that is not told."""

    letter: str
    name: str
    outcome: dict[str, Any]
    paired: Paired | str | None

    @property
    def is_paired(self) -> bool:
        """Whether it asked about the same items as the first."""
        return isinstance(self.paired, Paired)


@dataclass(frozen=True)
class Task:
    """A protocol on a data set with all runs of it, in the order in which they were named."""

    protocol: str
    dataset: str
    runs: list[ComparedRun]

    @property
    def main(self) -> str:
        """The metric that is named first."""
        return self.runs[0].outcome["main"]

    @property
    def metrics(self) -> list[str]:
        """All metrics that any run has, in their order."""
        return list(dict.fromkeys(name for run in self.runs for name in metric_names(run.outcome)))

    def differing(self) -> list[tuple[str, list[str]]]:
        """What should be the same in all runs and is not: its name, and its value in each."""
        rows = [(name, [str(run.outcome.get(key)) for run in self.runs]) for key, name in _MUST_AGREE.items()]
        rows += [
            (name, [str(run.outcome["coverage"].get(key)) for run in self.runs])
            for key, name in _COVERAGE.items()
        ]
        rows.append(("Training items", [f"{training_items(run.outcome):g}" for run in self.runs]))
        return [(name, values) for name, values in rows if len(set(values)) > 1]

    def table(self) -> dict[str, list]:
        """Every number with its interval, as columns."""
        rows = []
        for name in self.metrics:
            for run in self.runs:
                o, found = run.outcome, cell(run.outcome["metrics"], name)
                rows.append(
                    (run.letter, o["export"], name, found.value, found.low, found.high, o["protocol_text"])
                )
        names = ("run", "export", "metric", "value", "low", "high", "protocol")
        return {name: [row[i] for row in rows] for i, name in enumerate(names)}

    def lines(self) -> list[str]:
        """The main metric of each run, and the paired differences, in words."""
        lines = [f"{self.protocol} on {self.dataset}, {self.main}:"]
        for run in self.runs:
            cover = run.outcome["coverage"]
            text = (
                f"  {run.letter}  {cell(run.outcome['metrics'], self.main).text()}  {run.name}"
                f"  ({cover['found']} of {cover['listed']} items found)"
            )
            if isinstance(run.paired, Paired):
                d = run.paired
                text += f"  ({d.value:+.2f} [{d.low:+.2f}, {d.high:+.2f}] above A, {p_text(d.p, d.groups)})"
            elif run.paired:
                text += f"  (not paired with A: {run.paired})"
            lines.append(text)
        lines += [f"  note: {name} differs between the runs" for name, _ in self.differing()]
        return lines


def tasks_of(found: Sequence[Evaluated]) -> list[Task]:
    """Outcomes by protocol and data set, in the order in which these first occur."""
    by_task: dict[tuple[str, str], list[Evaluated]] = {}
    for one in found:
        by_task.setdefault((one.outcome["protocol"], one.outcome["dataset"]), []).append(one)
    return [Task(protocol, dataset, _runs(ones)) for (protocol, dataset), ones in by_task.items()]


def _runs(ones: Sequence[Evaluated]) -> list[ComparedRun]:
    first = ones[0]
    return [
        ComparedRun(
            letter_of(i),
            export_name(one.outcome),
            one.outcome,
            None if one is first else compare_answers(first.answers, one.answers),
        )
        for i, one in enumerate(ones)
    ]


def letter_of(number: int) -> str:
    """A, B, …, Z, A1, B1, …"""
    again, place = divmod(number, len(ascii_uppercase))
    return ascii_uppercase[place] + (str(again) if again else "")


def export_name(outcome: Mapping[str, Any]) -> str:
    """The end of an export's path that says which it is: of `runs/first/export` it is `first`."""
    parts = [part for part in outcome["export"].split("/") if part]
    told = [part for part in parts if part not in ("export", "run")]
    return (told or parts or ["?"])[-1]
