"""What each piece of the method is worth on the generated world: `make verify-ablation` writes docs/ablation.md.

Pre-trains the full method and each ablation once a seed, each seed with a world of its own, and compares them with
the full method, paired by seed. Resumable: results are kept in the folder, and only what is missing is run. Exit code
1 where a head of the full method is not above chance or a representation not above random weights.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ablation_run import (
    CLIPS,
    FULL,
    PROBES,
    RECIPE,
    VIDEOS_PER_CLASS,
    config_of,
    result_of,
    trained_on,
)
from chronav import __version__
from chronav.progress import say
from evaluation.ablate.differences import over_seeds
from evaluation.ablate.variants import untrained
from trainer.config import HEADS
from trainer.switches import SWITCHES

Result = dict[str, Any]
_LONGEST_RUN_S = 480
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
            mean, low, high = difference(full, [value(run, column) for run in paired])
            clear = low > 0 or high < 0
            interval = f"[{low:+.2f}, {high:+.2f}]" if np.isfinite(low) else "[one seed]"
            cells.append(f"**{mean:+.2f}** {interval}" if clear else f"{mean:+.2f} {interval}")
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


def page(results: dict[str, list[Result]]) -> tuple[str, bool]:
    """The page as Markdown, and whether the full method is above chance and random weights."""
    full, ok = full_rows(results[FULL])
    columns = [*HEADS, *TITLES]
    differences, shown = difference_rows(results, columns)
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
        f"But for the momentum encoders: keys come from the model itself (`loss.keys={_LOSS.keys}`), which learns "
        f"sooner in so few steps (docs/method.md); banks of {_LOSS.bank_size:,} keys, {_LOSS.n_positives} extra "
        f"positive, at most {_LOSS.n_negatives} extra negatives. What momentum keys are worth is not measured here.",
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
        *absolute_rows(results, columns),
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
        _what_shows(results, shown),
        "",
    ]
    return "\n".join(lines), ok


def collect(folder: Path, seeds: Sequence[int]) -> dict[str, list[Result]]:
    """The results that are there, by switch, in the order of the table."""
    found: dict[str, list[Result]] = {}
    for switch in (FULL, *SWITCHES):
        kept = [(seed, result_of(folder, seed, switch)) for seed in seeds]
        runs = [r | {"trained": trained_on(folder, seed, switch)} for seed, r in kept if r is not None]
        if runs:
            found[switch] = runs
    return found


def run_all(folder: Path, seeds: Sequence[int], jobs: int) -> bool:
    """Do what is missing, `jobs` at a time, seed by seed; whether all of it succeeded."""
    folder.mkdir(parents=True, exist_ok=True)

    def run(seed: int, switches: Sequence[str]) -> bool:
        missing = [switch for switch in switches if result_of(folder, seed, switch) is None]
        if not missing:
            return True
        call = [sys.executable, "-m", "benchmarks.ablation_run", str(folder), str(seed), *missing]
        log = folder / f"log-{seed}-{missing[0]}.txt"
        with log.open("w") as output:
            code = subprocess.run(call, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
        say(f"seed {seed} {', '.join(missing)}: {'done' if code == 0 else f'FAILED, see {log}'}")
        return code == 0

    succeeded = []
    for seed in seeds:
        succeeded.append(run(seed, [FULL]))  # by itself: it makes the world of its seed
        names = list(SWITCHES)
        with ThreadPoolExecutor(max_workers=jobs) as pool:
            succeeded += pool.map(run, [seed] * jobs, [names[job::jobs] for job in range(jobs)])
    return all(succeeded)


def main() -> int:
    """Run, print, write the page; the exit code says whether everything ran and the full method learnt."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", default="runs/ablation", help="results, kept between calls")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--page", default="docs/ablation.md")
    given = parser.parse_args()
    folder = Path(given.folder).absolute()
    succeeded = run_all(folder, given.seeds, given.jobs)
    results = collect(folder, given.seeds)
    if FULL not in results:
        say("the full method did not run: there is nothing to compare with")
        return 1
    text, ok = page(results)
    slow = [r for runs in results.values() for r in runs if r["seconds"] > _LONGEST_RUN_S]
    if slow:
        say(f"{len(slow)} runs took more than {_LONGEST_RUN_S // 60} minutes")
    Path(given.page).write_text(text)
    print(text)
    return 0 if ok and succeeded and not slow else 1


if __name__ == "__main__":
    sys.exit(main())
