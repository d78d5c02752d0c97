"""The page of `make verify-world`: every protocol's numbers over the seeds, beside those of the baselines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.ablate.differences import over_seeds
from evaluation.metrics import spread_of
from evaluation.pages.names import contender_name, metric_name, protocol_name
from evaluation.pages.numbers import metric_names
from evaluation.who import CHANCE, MAJORITY, PRETRAINED, RANDOM

Result = Mapping[str, Any]


def page(head: str, results: Sequence[Result]) -> str:
    """The page as Markdown."""
    lines = [
        "# What pre-training is worth, on the generated world",
        "",
        "Written by `make verify-world` (`benchmarks/verify_world.py`); do not edit by hand.",
        "",
        head,
        "",
        "| seed | config | export | test videos |",
        "|---|---|---|---|",
    ]
    for result in results:
        tested = next(iter(result["protocols"].values()))["splits"][0]["n_test"]
        lines.append(f"| {result['seed']} | `{result['digest']}` | {result['source']} | {tested} |")
    lines += [
        "",
        "Mean ± standard deviation over the seeds, and each of them. *Above*: mean of the differences, its 95 % "
        "interval of Student's t over the seeds (a world, a training and random weights of its own each), and with "
        "how many seeds the whole 95 % interval of the difference, paired by test video and by bootstrap over "
        "groups, is above 0.",
        "",
        "The main number of a protocol above random weights by the whole of its paired interval: "
        + "; ".join(f"{protocol_name(name)} {_shown_with(name, results)}" for name in protocols_of(results))
        + ".",
    ]
    for name in protocols_of(results):
        lines += ["", f"## {protocol_name(name)}", "", *_protocol(name, results)]
    left_out = {f"{name}: {why}" for result in results for name, why in result["left_out"].items()}
    return "\n".join([*lines, *(f"\nLeft out: {text}" for text in sorted(left_out)), ""])


def protocols_of(results: Sequence[Result]) -> list[str]:
    """The protocols that every seed has."""
    first, *others = (result["protocols"] for result in results)
    return [name for name in first if all(name in other for other in others)]


def shown(results: Sequence[Result]) -> bool:
    """Whether each protocol's main number is above random weights by its whole interval with every seed."""
    return not any(result["left_out"] for result in results) and all(
        one["differences"][RANDOM][one["main"]]["low"] > 0
        for result in results
        for one in result["protocols"].values()
    )


def _shown_with(name: str, results: Sequence[Result]) -> str:
    """With how many of the seeds; bold where not with all."""
    ones = [result["protocols"][name] for result in results]
    above = sum(one["differences"][RANDOM][one["main"]]["low"] > 0 for one in ones)
    text = f"with {above} of {len(ones)} seeds"
    return text if above == len(ones) else f"**{text}**"


def _protocol(name: str, results: Sequence[Result]) -> list[str]:
    """The protocol in words and its table: a row a metric, a column for everybody."""
    ones = [result["protocols"][name] for result in results]
    baselines = [who for who in ones[0]["baselines"] if who != MAJORITY]
    learnt = [who for who in baselines if who in ones[0]["differences"]]
    heads = [contender_name(who, name) for who in (PRETRAINED, *baselines)]
    heads += [
        f"above {contender_name(who, name)[:1].lower()}{contender_name(who, name)[1:]}" for who in learnt
    ]
    said = re.sub(r"; seed \d+;", "; seed: that of the world;", ones[0]["protocol_text"])
    lines = [f"{said}.", "", f"| | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    for metric in metric_names(ones[0]):
        cells = [_values([one["metrics"].get(metric) for one in ones])]
        cells += [
            _values([one["baselines"][who].get(metric) for one in ones], who != CHANCE) for who in baselines
        ]
        cells += [_above([one["differences"][who].get(metric) for one in ones]) for who in learnt]
        lines.append(f"| {metric_name(metric)} | {' | '.join(cells)} |")
    below = [metric_name(metric) for metric in metric_names(ones[0]) if _below_chance(metric, ones)]
    return [*lines, "", f"This export is below chance on average in: {'; '.join(below)}."] if below else lines


def _below_chance(metric: str, ones: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the mean of the exports is less than that of chance, where chance is known."""
    chances = [one["baselines"].get(CHANCE, {}).get(metric) for one in ones]
    values = [one["metrics"].get(metric) for one in ones]
    if None in chances or None in values:
        return False
    return float(np.mean(values)) < float(np.mean(chances))


def _values(values: Sequence[float | None], each: bool = True) -> str:
    """`0.51 ± 0.05 (0.55, 0.45, 0.53)`."""
    found = [value for value in values if value is not None]
    if not found:
        return "–"
    mean = f"{np.mean(found):.2f}"
    if not each or len(found) < 2:
        return mean
    return f"{mean} ± {spread_of(found):.2f} ({', '.join(f'{value:.2f}' for value in found)})"


def _above(differences: Sequence[Mapping[str, float] | None]) -> str:
    """`+0.33 [+0.20, +0.46], 3 of 3`."""
    found = [one for one in differences if one is not None]
    if not found:
        return "–"
    gap = over_seeds([0.0] * len(found), [one["value"] for one in found])
    span = "" if gap.low is None else f" [{gap.low:+.2f}, {gap.high:+.2f}]"
    return f"{gap.value:+.2f}{span}, {sum(one['low'] > 0 for one in found)} of {len(found)}"
