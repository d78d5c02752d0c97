"""The page of one evaluation: every number with its interval, its protocol and what it is to be compared with."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from chronav import page
from evaluation import reference
from evaluation.pages import map_chart, numbers
from evaluation.pages.confusion import drawn_matrix
from evaluation.pages.exhibits import Exhibits
from evaluation.pages.feature_map import FeatureMap
from evaluation.pages.media import SOUND_S
from evaluation.pages.names import contender_name, metric_name, protocol_name
from evaluation.pages.templates import templates
from evaluation.who import floor_of


def write_evaluation_page(path: str, outcome: numbers.Outcome, exhibits: Exhibits) -> None:
    """Write the page of an `evaluate` outcome to `path` (local or URL)."""
    page.write(path, templates(), "evaluation.html", **_values(outcome, exhibits))


def _values(outcome: numbers.Outcome, exhibits: Exhibits) -> dict[str, Any]:
    protocol, main = outcome["protocol"], outcome["main"]
    contenders = numbers.contenders(outcome)
    divisions = numbers.divisions(outcome)
    heads, metrics = numbers.all_metrics(outcome)
    others = list(
        dict.fromkeys(who for one in divisions for who in one["others"] if one["others"][who] is not None)
    )
    floor = floor_of(outcome["baselines"])
    published = reference.published(protocol, outcome["dataset"])
    return {
        "o": outcome,
        "e": exhibits,
        "title": protocol_name(protocol),
        "main_name": metric_name(main),
        "contenders": contenders,
        "spread": any(one.fold_std is not None for one in contenders),
        "seeds": any(one.seed_std is not None for one in contenders),
        "heads": heads,
        "metrics": metrics,
        "divisions": divisions,
        "others": [contender_name(who, protocol) for who in others],
        "other_keys": others,
        "published": published,
        "published_note": reference.NOTE,
        "own": numbers.own_rows(protocol, [("This export", outcome)]),
        "classes": numbers.class_rows(outcome),
        "floor": floor,
        "floor_name": contender_name(floor, protocol) if floor else "",
        "class_metric": "Nearest is of the class" if protocol == "retrieval" else "Accuracy",
        "matrix": Markup(drawn_matrix(outcome["confusion"])),
        "mistakes": numbers.mistakes(outcome["confusion"]),
        "sounds": _sounds(exhibits),
        "sound_s": SOUND_S,
        **_drawn(exhibits.map),
    }


def _drawn(drawn: FeatureMap | None) -> dict[str, Any]:
    if drawn is None:
        return {}
    names = sorted({point.label for point in drawn.points})
    label = f"Map of the features of {len(drawn.points)} videos of {len(names)} classes"
    return {
        "map_svg": Markup(map_chart.feature_map(drawn, label)),
        "map_classes": [(name, map_chart.hue(number)) for number, name in enumerate(names)],
    }


def _sounds(exhibits: Exhibits) -> bool:
    sheets = [one.sheet for one in exhibits.answers]
    sheets += [sheet for row in exhibits.neighbours for sheet in (row.query, *row.neighbours)]
    return any(sheet.sound for sheet in sheets)
