"""The page of the ablation study: the full method, each piece taken away, and momentum keys; docs/ablation.md."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from benchmarks.ablation_run import (
    CHANGES,
    CLIPS,
    FULL,
    MOMENTUM_KEYS,
    PROBES,
    RECIPE,
    VIDEOS_PER_CLASS,
    config_of,
)
from chronav import __version__
from evaluation.ablate.differences import over_seeds
from evaluation.ablate.variants import untrained
from trainer.config import HEADS
from trainer.switches import SWITCHES

Result = dict[str, Any]
_LOSS = config_of(0, FULL).loss
TITLES = [title for _, _, title in PROBES]


def value(result: Result, column: str) -> float:
    """A head's held-out accuracy, or a figure of the features."""
    return result["heads"][column]["value"] if column in HEADS else result["figures"][column]


def mean_and_spread(values: Sequence[float]) -> str:
    """`.81 ± .03`: mean and standard deviation over the seeds."""
    spread = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{np.mean(values):.2f}{spread}"


def difference(full: Sequence[float], without: Sequence[float]) -> tuple[float, float, float]:
    """Mean of the paired differences (without - full) and its 95 % interval by Student's t over the seeds."""
    found = over_seeds(full, without)
    if found.low is None or found.high is None:
        return found.value, -np.inf, np.inf
    return found.value, found.low, found.high


def difference_cell(full: Sequence[float], without: Sequence[float]) -> tuple[str, bool, float]:
    """`**-0.32** [-0.40, -0.24]`, bold where the interval leaves out 0; whether it does; the mean."""
    mean, low, high = difference(full, without)
    clear = low > 0 or high < 0
    interval = f"[{low:+.2f}, {high:+.2f}]" if np.isfinite(low) else "[one seed]"
    return (f"**{mean:+.2f}** {interval}" if clear else f"{mean:+.2f} {interval}"), clear, mean


def absolute_rows(results: dict[str, list[Result]], columns: Sequence[str]) -> list[str]:
    """Mean and spread of every run."""
    return [
        f"| {name} | " + " | ".join(mean_and_spread([value(r, c) for r in runs]) for c in columns) + " |"
        for name, runs in results.items()
    ]


def trains(switch: str, column: str) -> bool:
    """Whether a run with the switch trains the head `column`; figures of features are always of interest."""
    return column not in untrained(config_of(0, switch))


def difference_rows(results: dict[str, list[Result]], columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Differences to the full method, and in words those whose interval leaves out 0, but for untrained heads."""
    rows, shown = [], []
    by_seed = {r["seed"]: r for r in results[FULL]}
    for name, runs in results.items():
        paired = [run for run in runs if run["seed"] in by_seed]
        if name == FULL or not paired:
            continue
        cells = []
        for column in columns:
            full = [value(by_seed[run["seed"]], column) for run in paired]
            cell, clear, mean = difference_cell(full, [value(run, column) for run in paired])
            cells.append(cell)
            if clear and trains(name, column):
                shown.append(f"`{name}`: {column} {mean:+.2f}")
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return rows, shown


def full_rows(runs: Sequence[Result]) -> tuple[list[str], bool]:
    """The full method beside chance and random weights, seed by seed; whether it is above them in every one."""
    rows, ok = [], True
    for head in HEADS:
        found = [run["heads"][head] for run in runs]
        level = [max(a["chance"], a["duration_baseline"]) for a in found]
        above = [a["low"] > floor for a, floor in zip(found, level, strict=True)]
        ok = ok and all(above)
        each = ", ".join(f"{a['value']:.2f} [{a['low']:.2f}, {a['high']:.2f}]" for a in found)
        mean = mean_and_spread([a["value"] for a in found])
        rows.append(f"| {head} | {mean} | {each} | {np.mean(level):.2f} | {sum(above)} of {len(above)} |")
    for title in TITLES:
        scores, floor = [r["figures"][title] for r in runs], [r["random_weights"][title] for r in runs]
        above = [a > b for a, b in zip(scores, floor, strict=True)]
        ok = ok and all(above)
        each = ", ".join(f"{score:.2f}" for score in scores)
        rows.append(
            f"| {title} | {mean_and_spread(scores)} | {each} | {mean_and_spread(floor)} "
            f"| {sum(above)} of {len(above)} |"
        )
    return rows, ok


def _what_shows(results: dict[str, list[Result]], shown: Sequence[str]) -> str:
    if max((len(runs) for name, runs in results.items() if name != FULL), default=0) < 2:
        missing = [name for name in SWITCHES if name not in results]
        lacking = f" Not run at all: {', '.join(missing)}." if missing else ""
        return (
            "**Unfinished: one seed a switch.** Nothing can be said to show, and differences of some points may be "
            f"chance.{lacking} `make verify-ablation` goes on from the results that are kept."
        )
    found = "; ".join(shown) or "none"
    return (
        f"Differences that show at this scale, heads that a switch does not train left aside: {found}. "
        "All others do not show here."
    )


def momentum_section(full: Sequence[Result], runs: Sequence[Result]) -> list[str]:
    """Momentum keys beside the full method, seed by seed, and what of the difference shows."""
    by_seed = {run["seed"]: run for run in full}
    paired = [run for run in runs if run["seed"] in by_seed]
    rows, shown = [], []
    for column in [*HEADS, *TITLES]:
        others = [by_seed[run["seed"]] for run in paired]
        mine, theirs = [value(run, column) for run in paired], [value(run, column) for run in others]
        cell, clear, mean = difference_cell(theirs, mine)
        above = [_is_above(run, other, column) for run, other in zip(paired, others, strict=True)]
        each = ", ".join(f"{score:.2f}" for score in mine)
        rows.append(
            f"| {column} | {mean_and_spread(theirs)} | {mean_and_spread(mine)} | {each} | {cell} "
            f"| {sum(above)} of {len(above)} |"
        )
        if clear:
            shown.append(f"{column} {mean:+.2f}")
    config = config_of(0, MOMENTUM_KEYS)
    loss = config.loss
    return [
        "## Momentum keys",
        "",
        f"`{MOMENTUM_KEYS}`: keys and banks of the momentum encoders, the method's default, in place of keys of the "
        f"model itself: {', '.join(f'`{change}`' for change in CHANGES[MOMENTUM_KEYS])}, all else as in the full "
        f"method above; at most {min(loss.n_negatives, int(loss.bank_size * loss.negative_share))} extra negatives "
        f"out of a bank of {loss.bank_size:,}. *Above*: in how many seeds it is above chance, or random weights, as "
        "in the table of the full method.",
        "",
        f"| | full | {MOMENTUM_KEYS} | each seed | difference | above |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        f"Differences to the full method that leave out 0, over {len(paired)} seeds: {'; '.join(shown) or 'none'}; "
        "about one in twenty does by chance. "
        f"This is of {config.steps} steps, in which the momentum model is an average over "
        f"{1 / (1 - config.momentum):.0f} and more: of long runs with large banks, for which momentum keys are "
        "meant, it says nothing.",
        "",
    ]


def _is_above(run: Result, full: Result, column: str) -> bool:
    """Above chance by the interval, or above the random weights, which were measured with the full method."""
    if column not in HEADS:
        return bool(run["figures"][column] > full["random_weights"][column])
    head = run["heads"][column]
    return bool(head["low"] > max(head["chance"], head["duration_baseline"]))


def page(results: dict[str, list[Result]]) -> tuple[str, bool]:
    """The page as Markdown, and whether the full method is above chance and random weights."""
    full, ok = full_rows(results[FULL])
    columns = [*HEADS, *TITLES]
    taken = {name: runs for name, runs in results.items() if name not in CHANGES}
    differences, shown = difference_rows(taken, columns)
    momentum = results.get(MOMENTUM_KEYS)
    every = [run for runs in results.values() for run in runs]
    seeds = sorted({run["seed"] for run in every})
    head = "| | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 1)
    lines = [
        "# What each piece is worth, on the generated world",
        "",
        "Written by `make verify-ablation` (`benchmarks/verify_ablation.py`); do not edit by hand.",
        "",
        f"{date.today().isoformat()}, chronav {__version__}, {platform.machine()}, Python "
        f"{platform.python_version()}. Recipe `{RECIPE}`, {every[0]['steps']} steps; seeds {seeds}, each with a "
        f"world of its own ({VIDEOS_PER_CLASS} videos a class, 11 classes); {CLIPS} clips a video. A run took "
        f"{np.mean([r['seconds'] for r in every]) / 60:.1f} minutes on average, "
        f"{max(r['seconds'] for r in every) / 60:.1f} at most. `±` is the standard deviation over the seeds. "
        f"Trained from {min(r['trained'] for r in every)} to {max(r['trained'] for r in every)}: a training is kept "
        "as long as version and config are the same, and is not of the code of today.",
        "",
        "## The full method",
        "",
        f"But for the momentum encoders: keys come from the model itself (`loss.keys={_LOSS.keys}`), which learnt "
        f"sooner in single runs (docs/method.md); banks of {_LOSS.bank_size:,} keys, {_LOSS.n_positives} extra "
        f"positive, at most {_LOSS.n_negatives} extra negatives. Momentum keys: "
        f"{'[below](#momentum-keys)' if momentum else 'not measured'}.",
        "",
        "Heads on held-out videos beside chance (or the guess from the duration alone, if that is better), with 95 % "
        "intervals over videos; features beside random weights on the test list.",
        "",
        "| | mean | each seed | chance, or random weights | above |",
        "|---|---|---|---|---|",
        *full,
        "",
        "## Without a piece",
        "",
        head,
        *absolute_rows(taken, columns),
        "",
        "## Differences to the full method",
        "",
        "Paired by seed; 95 % interval of Student's t over the seeds, bold where it leaves out 0. With few seeds it "
        f"is wide, and among {len(differences) * len(columns)} comparisons about one in twenty leaves out 0 by "
        "chance. A head that a switch takes away is not trained: its accuracy is that of a guess.",
        "",
        head,
        *differences,
        "",
        _what_shows(taken, shown),
        "",
        *(momentum_section(results[FULL], momentum) if momentum else []),
    ]
    return "\n".join(lines), ok
