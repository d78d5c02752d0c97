"""The page of the ESC-10 study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

METRIC = "top1_video"
WHO = {
    "sound": "**sound alone**, an export a fold",
    "film": "films with sound, one export",
    "random_weights": "random weights",
    "classical_rbf": "classical, RBF SVM",
    "classical": "classical, linear SVM",
    "chance": "chance",
}
Results = Mapping[str, Mapping[str, Any]]


def of_folds(results: Results, who: str) -> list[float]:
    """The accuracy of a contender on each fold."""
    if who in results:
        return [fold["metrics"][METRIC] for fold in results[who]["folds"]]
    return [fold["baselines"][who][METRIC] for fold in results["sound"]["folds"]]


def summary_of(results: Results, who: str) -> Mapping[str, float]:
    """The mean of a contender, with its interval and its spread where there are any."""
    return results[who]["metrics"] if who in results else results["sound"]["baselines"][who]


def difference(results: Results, first: str, second: str) -> Mapping[str, float] | None:
    """How far an export (`sound`, `film`) is above another contender; None where that was not measured."""
    found = results[first]["differences"]
    name = "against" if (first, second) == ("sound", "film") else second
    return found[name][METRIC] if name in found else None


def as_difference(found: Mapping[str, float] | None) -> str:
    """`+0.05 [+0.01, +0.09], p = 0.01`."""
    if found is None:
        return ""
    return f"{found['value']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}], p = {found['p']:.2g}"


def accuracy_rows(results: Results) -> list[str]:
    """A row for each contender: mean, interval, spread over the folds, and each fold."""
    rows = []
    for who, name in WHO.items():
        summary, folds = summary_of(results, who), of_folds(results, who)
        mean = f"{summary[METRIC]:.3f}"
        if f"{METRIC}_low" in summary:
            mean += f" [{summary[f'{METRIC}_low']:.3f}, {summary[f'{METRIC}_high']:.3f}]"
        each = " | ".join(f"{value:.3f}" for value in folds)
        rows.append(f"| {name} | {mean} | {np.std(folds, ddof=1):.3f} | {each} |")
    return rows


def difference_rows(results: Results) -> list[str]:
    """A row for each contender that both exports can be compared with."""
    others = [who for who in WHO if who not in ("sound", "chance")]
    return [
        f"| {WHO[who]} | {as_difference(difference(results, 'sound', who))} "
        f"| {as_difference(difference(results, 'film', who))} |"
        for who in others
    ]


def other_rows(results: Results, names: Sequence[str]) -> list[str]:
    """A row for each other protocol: what it is, the export, its twin, and both classical baselines beside it."""
    rows = []
    for name in names:
        found = results[name]
        what = str(found["protocol_text"]).split(", C chosen")[0]
        pooled = ", scores averaged" if "scores averaged" in found["protocol_text"] else ""
        own, twin = found["metrics"][METRIC], found["baselines"]["random_weights"][METRIC]
        beside = as_difference(found["differences"]["classical_rbf"][METRIC])
        rows.append(f"| {what}{pooled} | {own:.3f} | {twin:.3f} | {beside} |")
    return rows


def untouched(results: Results) -> str:
    """The mean over the folds that no choice looked at."""
    means = {who: float(np.mean(np.delete(of_folds(results, who), 1))) for who in ("sound", "classical_rbf")}
    first = {who: of_folds(results, who)[0] for who in means}
    return (
        f"Over folds 1, 3, 4 and 5: sound alone {means['sound']:.3f}, classical RBF SVM "
        f"{means['classical_rbf']:.3f}; on fold 1 alone {first['sound']:.3f} and {first['classical_rbf']:.3f}."
    )


def run_rows(noted: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A row for each pre-training run."""
    return [
        f"| {name} | {run['train_videos']} | {run['excluded_segments']} | {run['steps']} | {run['samples']} "
        f"| {run['seconds']:.0f} |"
        for name, run in noted.items()
    ]


def verdict(results: Results) -> str:
    """In words: what the aim was and what came out."""
    found = difference(results, "sound", "classical_rbf")
    assert found is not None
    clear = "is above" if found["low"] > 0 else "is below" if found["high"] < 0 else "cannot be told from"
    own = summary_of(results, "sound")[METRIC]
    return (
        f"**{own:.3f}**, mean over the five folds, by features that were learnt from sound alone without a label. "
        f"That {clear} the classical RBF SVM ({summary_of(results, 'classical_rbf')[METRIC]:.3f}): "
        f"{as_difference(found)}. The aim was clearly above it; 0.9 would have been excellent."
    )


def _other_protocols(results: Results, names: Sequence[str]) -> list[str]:
    """What the same exports come to by protocols that were not chosen."""
    return [
        "## Other protocols",
        "",
        "The exports of sound alone once more, by the protocols that were not chosen; the last column is as above. "
        "The linear SVM on windows with scores averaged is what `chronav evaluate audio` does unless told otherwise, "
        "and what the method's section on evaluation names; the one chosen describes a recording by the mean and "
        "deviation of its windows, as the classical rows do.",
        "",
        "| networks by | sound alone | random weights | sound alone less classical, RBF SVM |",
        "|---|---|---|---|",
        *other_rows(results, names),
        "",
    ]


def page(
    results: Results,
    noted: Mapping[str, Mapping[str, Any]],
    about: str,
    others: Sequence[str] = (),
    chosen: Sequence[str] = (),
) -> str:
    """The page as Markdown; `others`: results by other protocols; `chosen`: on how the settings came about."""
    sound = results["sound"]
    measured = sum(result["seconds"] for result in results.values())
    lines = [
        "# ESC-10 by frozen features",
        "",
        "Written by `make verify-esc10` (`benchmarks/verify_esc10.py`); do not edit by hand.",
        "",
        f"{date.today().isoformat()}, {about}. ESC-10 complete: 400 recordings, 10 classes, the five official folds.",
        "",
        verdict(results),
        "",
        f"Protocol of all networks, random ones too: {sound['protocol_text']}. The classical rows describe a "
        "recording by mean and deviation of log-mels and MFCC, and name their kernel.",
        "",
        "## Accuracy by recording",
        "",
        "Mean over folds with its 95 % interval, sample deviation over folds, and each fold.",
        "",
        "| | mean | ± | fold 1 | 2 | 3 | 4 | 5 |",
        "|---|---|---|---|---|---|---|---|",
        *accuracy_rows(results),
        "",
        untouched(results),
        "",
        "## Differences",
        "",
        "Paired by recording, 95 % intervals by bootstrap over the Freesound recordings that these were cut from.",
        "",
        "| less | sound alone | films |",
        "|---|---|---|",
        *difference_rows(results),
        "",
        *_other_protocols(results, others),
        "## How it was trained, and chosen",
        "",
        *chosen,
        "",
        "| run | recordings learnt from | segments kept out | steps | samples | seconds |",
        "|---|---|---|---|---|---|",
        *run_rows(noted),
        "",
        f"The measurements took {measured:.0f} s. On shared cores: seconds are those of the wall clock.",
        "",
        *(f"- {note}" for note in sound["notes"]),
    ]
    return "\n".join(lines).rstrip() + "\n"
