"""From what a protocol found to the part of an outcome that holds the numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluation.aggregate import (
    difference,
    fold_metrics,
    gain,
    mean_over_folds,
    metrics_with_intervals,
    spreads,
)
from evaluation.config import EvaluateConfig
from evaluation.items import groups_of, labels_of, units_of
from evaluation.metrics import LEAST_OWNERS, wilson
from evaluation.protocols.base import Found, Measured, Protocol
from evaluation.splits import Fold
from evaluation.subject import Subject
from evaluation.who import PRETRAINED, floor_of, in_words


def results(method: Protocol, subject: Subject, found: Found, config: EvaluateConfig) -> dict[str, Any]:
    """`metrics`, `baselines`, `differences`, `splits` or `folds`, `per_class`, `confusion`, `notes`.

    `metrics` is empty where no fold can be measured: the notes say why.
    """
    blind = [
        method.without_features(subject.fold_data(fold, np.empty(0, np.int64))) for fold in subject.folds
    ]
    units = units_of(subject.videos)
    options = (config.bootstrap, config.seed, units)
    places = [(fold.name, fold.seed) for fold in subject.folds]
    summaries = {
        name: metrics_with_intervals(folds, *options) | spreads(folds, places)
        for name, folds in found.items()
    }
    own = summaries.pop(PRETRAINED, {})
    floor = floor_of(found)
    if floor is not None:
        own |= gain(method.main, found[PRETRAINED], found[floor], *options)
    return {
        "metrics": own,
        "baselines": summaries | _blind(blind),
        "differences": {
            name: _differences(found[PRETRAINED], folds, config, units)
            for name, folds in found.items()
            if name != PRETRAINED
        },
        "splits" if _is_splits(subject.folds) else "folds": fold_rows(subject, found, blind),
        **by_class(subject, found),
        "notes": [*subject.notes, *few_units(subject.folds, units, subject.has_groups), *_remarks(found)],
    }


def few_units(folds: Sequence[Fold], units: np.ndarray, grouped: bool) -> list[str]:
    """In words, where the bootstrap has so few `units` of test videos to draw from that intervals are only a hint.

    `units`: (videos,) what is drawn: groups where videos are `grouped`, else videos.
    """
    count = np.unique(units[np.concatenate([fold.test for fold in folds])]).size if folds else LEAST_OWNERS
    if count >= LEAST_OWNERS:
        return []
    what = "groups of test items" if grouped else "test items"
    return [f"Intervals are over {count} {what}: too few to hold what they promise."]


def _blind(blind: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    names = blind[0] if blind else ()
    return {name: mean_over_folds([one[name] for one in blind]) for name in names}


def _differences(
    own: Sequence[Measured], other: Sequence[Measured], config: EvaluateConfig, units: np.ndarray
) -> dict[str, dict[str, Any]]:
    """Metric -> how far the export is above another, with interval and p, for every metric that both have."""
    shared = [name for name in own[0].metrics if all(name in measured.metrics for measured in (*own, *other))]
    return {name: difference(name, own, other, config.bootstrap, config.seed, units) for name in shared}


def _is_splits(folds: Sequence[Fold]) -> bool:
    """Official splits are alternatives; folds are parts of one measurement."""
    return all("/" in fold.name and " " not in fold.name for fold in folds)


def fold_rows(
    subject: Subject, found: Found, blind: Sequence[dict[str, dict[str, float]]]
) -> list[dict[str, Any]]:
    """A row for each fold and seed: sizes, coverage, the metrics of all."""
    return [
        {
            "name": fold.name,
            "seed": fold.seed,
            "n_train": int(fold.train.size),
            "n_test": int(fold.test.size),
            "coverage": subject.split_coverage[fold.name],
            "metrics": fold_metrics(found[PRETRAINED][i]),
            "baselines": {
                **{name: fold_metrics(folds[i]) for name, folds in found.items() if name != PRETRAINED},
                **blind[i],
            },
        }
        for i, fold in enumerate(subject.folds)
    ]


def by_class(subject: Subject, found: Found) -> dict[str, Any]:
    """`per_class` and `confusion` of the export's answers, over the folds of the first seed.

    `per_class`: rows of class, test videos (`n`), accuracy, Wilson's 95 % interval, and under its name the accuracy
    of the floor (`who.FLOORS`), where it answered. `confusion`: `classes` and `counts`, rows are what is true and
    columns what was answered. A video that several splits test counts in each.
    """
    truth, given = _first_answers(subject, found.get(PRETRAINED, ()))
    if not truth.size:
        return {"per_class": [], "confusion": {"classes": [], "counts": []}}
    floor = floor_of(found)
    floor_truth, floor_given = _first_answers(subject, found[floor] if floor else ())
    classes = sorted(set(truth) | set(given))
    counts = confusion(truth, given, classes)
    rows = []
    for place, name in enumerate(classes):
        n, right = int(counts[place].sum()), int(counts[place, place])
        if n:
            low, high = wilson(right, n)
            row = {"class": name, "n": n, "accuracy": right / n, "low": low, "high": high}
            asked = floor_truth == name
            if floor and asked.any():
                row[floor] = float((floor_given[asked] == name).mean())
            rows.append(row)
    return {"per_class": rows, "confusion": {"classes": classes, "counts": counts.tolist()}}


def _first_answers(subject: Subject, folds: Sequence[Measured]) -> tuple[np.ndarray, np.ndarray]:
    """What is true and what was answered, over the folds of the first seed."""
    first = [
        measured.answers
        for measured, fold in zip(folds, subject.folds, strict=False)
        if measured.answers is not None and fold.seed == subject.folds[0].seed
    ]
    empty = np.empty(0, dtype=str)
    if not first:
        return empty, empty
    truth = np.concatenate([answers.truth for answers in first]).astype(str)
    return truth, np.concatenate([answers.given for answers in first]).astype(str)


def confusion(truth: np.ndarray, given: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """How often what was true (rows) was answered as what (columns): (C, C)."""
    place = {name: i for i, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, ([place[name] for name in truth], [place[name] for name in given]), 1)
    return counts


def answer_table(subject: Subject, found: Found) -> dict[str, list]:
    """What each contender answered for each test video, as columns: for a look at single mistakes."""
    columns: dict[str, list] = {"video_id": [], "group": [], "fold": [], "seed": [], "truth": []}
    names = [name for name, folds in found.items() if folds and folds[0].answers is not None]
    columns |= {name: [] for name in names}
    for i, fold in enumerate(subject.folds):
        for name in names:
            answers = found[name][i].answers
            assert answers is not None
            columns[name] += answers.given.astype(str).tolist()
        columns["video_id"] += [subject.videos[v].video_id for v in fold.test]
        columns["group"] += groups_of(subject.videos)[fold.test].tolist()
        columns["fold"] += [fold.name] * fold.test.size
        columns["seed"] += [fold.seed] * fold.test.size
        columns["truth"] += labels_of(subject.videos)[fold.test].tolist()
    return columns if names else {}


def item_table(name: str, subject: Subject, measured: Sequence[Measured]) -> dict[str, list]:
    """A metric of the export by test video, as columns: `fold`, `video_id`, its `unit` (group), `value`."""
    columns: dict[str, list] = {"fold": [], "video_id": [], "unit": [], "value": []}
    units = groups_of(subject.videos)
    for fold, one in zip(subject.folds, measured, strict=True):
        values = one.metrics[name]
        for video in np.unique(values.videos):
            columns["fold"].append(f"{fold.name}, seed {fold.seed}")
            columns["video_id"].append(subject.videos[video].video_id)
            columns["unit"].append(str(units[video]))
            columns["value"].append(float(values.values[values.videos == video].mean()))
    return columns


def ranking_table(subject: Subject, measured: Sequence[Measured], shown: int = 10) -> dict[str, list]:
    """For each query the nearest of the gallery, as columns; empty for protocols that rank nothing."""
    columns: dict[str, list] = {"fold": [], "query": [], "rank": [], "video_id": [], "correct": []}
    labels = labels_of(subject.videos)
    for fold, one in zip(subject.folds, measured, strict=True):
        if one.ranking is None or fold.seed != subject.folds[0].seed:
            continue
        for query, order in zip(fold.test, one.ranking[:, :shown], strict=True):
            for rank, place in enumerate(order, start=1):
                hit = fold.train[place]
                columns["fold"].append(fold.name)
                columns["query"].append(subject.videos[query].video_id)
                columns["rank"].append(rank)
                columns["video_id"].append(subject.videos[hit].video_id)
                columns["correct"].append(bool(labels[hit] == labels[query]))
    return columns if columns["query"] else {}


def _remarks(found: Found) -> list[str]:
    """Each remark once; those that are tallied with on how many folds of whom."""
    once = dict.fromkeys(text for folds in found.values() for fold in folds for text in fold.remarks)
    tallies: dict[str, list[str]] = {}
    for who, folds in found.items():
        for text, count in Counter(text for fold in folds for text in fold.tallied).items():
            tallies.setdefault(text, []).append(f"on {count} of {len(folds)} folds ({in_words(who)})")
    return [*once, *(f"{text} {', '.join(where)}." for text, where in tallies.items())]
