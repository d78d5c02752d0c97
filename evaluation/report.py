"""The page of the demo: one HTML file with nothing outside of it, readable on a phone and in the dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from chronav import page
from chronav.progress import format_seconds
from evaluation.comparison import Cell, comparison, coverage_text
from evaluation.pages.names import metric_name, protocol_name
from evaluation.pages.templates import templates
from evaluation.svg import Series, interval_strip, line_chart, smoothed

HEAD_NAMES = {
    "speed_v": "Speed, video",
    "speed_a": "Speed, sound",
    "direction_v": "Direction, video",
    "direction_a": "Direction, sound",
    "order_vv": "Order, video / video",
    "order_aa": "Order, sound / sound",
    "order_va": "Order, video / sound",
}


@dataclass(frozen=True)
class Sheet:
    """A video in pictures. `correct`: whether it shares the query's class; None where that is unknown.

    `sound`: FLAC.
    """

    label: str
    video_id: str
    correct: bool | None
    frames: list[bytes]
    sound: bytes | None = None


@dataclass(frozen=True)
class NeighbourRow:
    """A query and what was retrieved for it, nearest first."""

    query: Sheet
    neighbours: list[Sheet]


@dataclass(frozen=True)
class DemoContext:
    """What the demo found: outcomes of its parts, metrics over steps, pictures."""

    title: str
    pretrain: Mapping[str, Any]
    history: Sequence[Mapping[str, float]]
    evaluations: Sequence[Mapping[str, Any]]
    parts_seconds: Mapping[str, float]
    neighbours: Sequence[NeighbourRow]
    command: str
    notes: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True)
class Panel:
    """A chart with its heading."""

    title: str
    svg: Markup


def write_demo_report(path: str, context: DemoContext) -> None:
    """Write the demo's page to `path` (local or URL)."""
    accuracies = context.pretrain.get("accuracies", {})
    total = sum(context.parts_seconds.values())
    page.write(
        path,
        _environment(),
        "demo.html",
        c=context,
        heads=[(HEAD_NAMES.get(head, head), a, _strip(head, a)) for head, a in accuracies.items()],
        losses=loss_panels(context.history),
        curves=accuracy_panels(context.history, accuracies),
        evaluations=[_evaluation(outcome) for outcome in context.evaluations],
        parts_seconds=[
            (name, format_seconds(s), s / total if total else 0) for name, s in context.parts_seconds.items()
        ],
        total=format_seconds(total),
    )


def loss_panels(history: Sequence[Mapping[str, float]]) -> list[Panel]:
    """A chart for each logged `loss/<name>`: every value faint, a moving mean strong."""
    panels = []
    names = dict.fromkeys(name for row in history for name in row if name.startswith("loss/"))
    for name in sorted(names, key=_loss_place):
        x, y = _series(history, name)
        lines = [Series(x, y, "faint"), Series(x, smoothed(y))]
        panels.append(Panel(_title(name), Markup(line_chart(lines, f"{name} over steps"))))
    return panels


def accuracy_panels(
    history: Sequence[Mapping[str, float]], accuracies: Mapping[str, Mapping[str, Any]]
) -> list[Panel]:
    """A chart for each temporal task: `train_accuracy/<head>` faint, `heldout/<head>` with dots, and chance."""
    panels = []
    for head, title in HEAD_NAMES.items():
        x, y = _series(history, f"train_accuracy/{head}")
        held_x, held_y = _series(history, f"heldout/{head}")
        if x or held_x:
            lines = [Series(x, smoothed(y), "faint"), Series(held_x, held_y, dots=True)]
            chance = accuracies.get(head, {}).get("chance")
            panels.append(Panel(title, Markup(line_chart(lines, f"{title}: accuracy over steps", chance))))
    return panels


def _loss_place(name: str) -> tuple[int, str]:
    """The sum first, then the contrastive losses, then the temporal ones."""
    last = name.rpartition("/")[2]
    heads = list(HEAD_NAMES)
    return (0 if last == "total" else 2 + heads.index(last) if last in heads else 1, last)


def _series(history: Sequence[Mapping[str, float]], name: str) -> tuple[list[float], list[float]]:
    points = sorted((row["step"], row[name]) for row in history if name in row)
    return [x for x, _ in points], [y for _, y in points]


def _title(name: str) -> str:
    last = name.rpartition("/")[2]
    titles = {"total": "Total", "vv": "Contrastive, video / video", "va": "Contrastive, video / sound"}
    return HEAD_NAMES.get(last) or titles.get(last, last.replace("_", " "))


def _strip(head: str, a: Mapping[str, Any]) -> Markup:
    if a.get("value") is None:
        return Markup("")
    label = f"{HEAD_NAMES.get(head, head)}: {a['value']:.2f}, chance {a['chance']:.2f}"
    return Markup(interval_strip(a["value"], a["low"], a["high"], a["chance"], None, label))


def _evaluation(outcome: Mapping[str, Any]) -> dict[str, Any]:
    rows = []
    for row in comparison(outcome):
        p, r, c = row.pretrained, row.floor, row.chance
        label = f"{row.metric}: pre-trained {p.text()}, random weights {r.text()}, chance {c.text()}"
        strip = interval_strip(p.value or 0.0, p.low, p.high, c.value, r.value, label)
        rows.append((metric_name(row.metric), p, r, c, Markup(strip)))
    return {
        "title": protocol_name(outcome["protocol"]),
        "rows": rows,
        "majority": outcome["baselines"].get("majority_class", {}).get("top1_video"),
        "protocol": outcome["protocol_text"],
        "coverage": coverage_text(outcome["coverage"]),
        "notes": outcome["notes"],
    }


def _environment() -> Environment:
    made = templates()
    made.filters["cell"] = lambda cell: cell.text() if isinstance(cell, Cell) else cell
    return made
