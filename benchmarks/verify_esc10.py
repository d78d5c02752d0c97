"""ESC-10 by frozen features: `make verify-esc10` writes docs/esc10.md.

Pre-trains on sound alone, an export for each of the five official folds, which has never heard the fold's recordings,
and on films with sound, one export for all; then measures both by `chronav evaluate audio` beside chance, random
weights and the classical baselines. Resumable: tables, exports and results are kept in the folder, and only what is
missing is done. Exit code 1 where sound alone is not above the classical RBF SVM by the whole of its interval.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import esc10_runs as runs
from benchmarks.esc10_data import esc10_table, film_table
from benchmarks.esc10_page import METRIC, page
from benchmarks.measures import measures_digest
from chronav import __version__
from chronav.cluster import connected
from chronav.config import build
from chronav.progress import say
from evaluation.config import EvaluateConfig
from evaluation.job import evaluate

DATA = Path("../shared/data")
_FILM_FOLDERS = ("vggsound", "ucf101", "kinetics", "grid")
PROTOCOL: dict[str, Any] = {"pool": "features", "kernel": "linear"}
# The other ways to describe and classify a recording, none of which the verdict is about.
OTHERS: dict[str, dict[str, Any]] = {
    "features-rbf": {"pool": "features", "kernel": "rbf"},
    "scores-linear": {"pool": "scores", "kernel": "linear"},
    "scores-rbf": {"pool": "scores", "kernel": "rbf"},
}
_KEPT = (
    "metrics",
    "baselines",
    "differences",
    "folds",
    "protocol_text",
    "exports",
    "against",
    "report",
    "notes",
)
Result = dict[str, Any]


def config_of(folder: Path, protocol: dict[str, Any] = PROTOCOL) -> EvaluateConfig:
    """How is measured: as the study does, or by another protocol."""
    values = {"out": f"{folder}/reports", "cache": f"{folder}/cache"}
    return build(EvaluateConfig, defaults=protocol | values)


def result_of(folder: Path, name: str, basis: str) -> Result | None:
    """A kept result, if it was made of the same exports by the same protocol, version and code."""
    file = folder / f"result-{name}.json"
    found = json.loads(file.read_text()) if file.exists() else None
    return found if found and found["basis"] == basis else None


def measure(
    folder: Path,
    name: str,
    export: str,
    table: str,
    against: str | None,
    basis: str,
    protocol: dict[str, Any] = PROTOCOL,
) -> Result:
    """Measure exports on the official folds, unless that has been done; keep what came out."""
    config = config_of(folder, protocol)
    basis = json.dumps([basis, measures_digest(), config.digest()])
    done = result_of(folder, name, basis)
    if done is not None:
        return done
    began = time.monotonic()
    outcome = evaluate("audio", export, table, config, "esc10", None, None, against)
    found = {key: outcome[key] for key in _KEPT} | {"basis": basis, "seconds": time.monotonic() - began}
    (folder / f"result-{name}.json").write_text(json.dumps(found, indent=1))
    return found


def study(folder: Path, esc10: Path, films: Sequence[Path]) -> tuple[dict[str, Result], dict[str, Any]]:
    """Train and measure what is missing: results by export, and what is noted of each run."""
    with connected(min_cpus=3):
        table = esc10_table(esc10, folder)
        film = runs.Wanted("film", "film", film_table(films, folder))
        wanted = [*runs.sound_runs(table), film]
        noted = {run.name: runs.train(folder, run) for run in wanted}
        say("pre-training: done")
        basis = json.dumps([__version__, *(run.digest() for run in wanted)])
        sound, other = runs.sound_exports(folder), f"{folder}/{film.name}/export"
        results = {
            "sound": measure(folder, "sound", sound, table, other, basis),
            "film": measure(folder, "film", other, table, None, basis),
        } | {
            name: measure(folder, name, sound, table, None, basis, protocol)
            for name, protocol in OTHERS.items()
        }
    return results, noted


def above(result: Result) -> bool:
    """Whether an export is above the classical RBF SVM by the whole interval of the paired difference."""
    return result["differences"]["classical_rbf"][METRIC]["low"] > 0


def _training() -> list[str]:
    return [
        runs.HOW_CHOSEN,
        "",
        f"- Sound alone: {runs.in_words('sound')}, each with `--exclude esc50/fold=K`; labels are not looked at.",
        f"- Films: {runs.in_words('film')}, on those films under {', '.join(_FILM_FOLDERS)} that have sound.",
    ]


def main() -> int:
    """Do what is missing, print, write the page; the exit code says whether the aim was reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--folder", default="runs/esc10", help="tables, exports and results, kept between calls"
    )
    parser.add_argument("--esc10", type=Path, default=DATA / "esc10", help="ESC-10 as it is published")
    parser.add_argument(
        "--films",
        type=Path,
        nargs="+",
        default=[DATA / name for name in _FILM_FOLDERS],
        help="films with sound",
    )
    parser.add_argument("--page", default="docs/esc10.md")
    given = parser.parse_args()
    folder = Path(given.folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    results, noted = study(folder, given.esc10, given.films)
    about = f"chronav {__version__}, {platform.machine()}, Python {platform.python_version()}"
    text = page(results, noted, about, list(OTHERS), _training())
    Path(given.page).write_text(text)
    print(text)
    return 0 if above(results["sound"]) else 1


if __name__ == "__main__":
    sys.exit(main())
