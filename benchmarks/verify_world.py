"""What pre-training is worth on the generated world, by every protocol: `make verify-world` writes docs/world.md.

For each seed a world of its own, the full method of the ablation study pre-trained on its training side, and
`chronav evaluate all` on its test side, beside random weights, classical descriptors and chance. Resumable: worlds,
runs and outcomes are kept in the folder; `--take FOLDER` uses worlds and finished runs of an ablation study
(`make verify-ablation`) of the same version and config. Exit code 1 where a protocol's main number is not above
that of random weights by the whole of its paired interval, with every seed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch

from benchmarks.ablation_run import (
    CLIPS,
    GROUPS_PER_CLASS,
    RECIPE,
    VIDEOS_PER_CLASS,
    config_of,
    trained_result,
    world_of,
)
from benchmarks.measures import measures_digest
from benchmarks.world_page import page, shown
from chronav import __version__, load_export
from chronav.cluster import connected
from chronav.config import build
from chronav.progress import say
from evaluation.ablate.config import FULL
from evaluation.config import EvaluateConfig
from evaluation.job import evaluate
from evaluation.protocols import ALL
from trainer.job import pretrain

SEEDS = (11, 12, 13)
_KEPT = (
    "protocol",
    "protocol_text",
    "main",
    "metrics",
    "baselines",
    "differences",
    "splits",
    "coverage",
    "notes",
)


@dataclass(frozen=True)
class Trained:
    """An export of a seed; `source`: where it is from, in words."""

    export: str
    table: str
    annotations: str
    source: str
    pretrain_seconds: float


def evaluate_config(folder: Path, seed: int) -> EvaluateConfig:
    """How every export is measured."""
    values = {"clips": CLIPS, "seed": seed, "out": f"{folder}/reports", "cache": f"{folder}/cache"}
    return build(EvaluateConfig, defaults=values)


def trained(folder: Path, seed: int, take: Path | None) -> Trained:
    """The export of a seed: pre-trained here (going on from where it was), or of a finished study."""
    out = folder / f"run-{seed}-{FULL}"
    study = take / out.name if take is not None and trained_result(take, seed, FULL) is not None else None
    own_world = take is None or not (take / f"world-{seed}" / "annotations.txt").exists()
    table, annotations = world_of(folder if own_world or take is None else take, seed)
    source = "pre-trained by this command"
    if study is not None and (study / "checkpoint_manager_snapshot.json").exists():
        source = "pre-trained by `make verify-ablation`"
        if not out.exists():  # a copy: it may have to be exported anew, and the study is left as it is
            shutil.copytree(study, out)
    began = time.monotonic()
    if not (out / "export" / "joint.safetensors").exists():
        config = config_of(seed, FULL)
        pretrain([table], str(out), config, RECIPE, ["world/1=test"], "auto")
    return Trained(str(out / "export"), table, annotations, source, time.monotonic() - began)


def result_file(folder: Path, seed: int) -> Path:
    """Where a seed leaves what it found."""
    return folder / f"world-result-{seed}.json"


def kept(folder: Path, seed: int) -> dict[str, Any] | None:
    """The kept outcome of a seed, if it was made with the present configs, version and measures."""
    file = result_file(folder, seed)
    found = json.loads(file.read_text()) if file.exists() else None
    return found if found is not None and found["current"] == current(folder, seed) else None


def current(folder: Path, seed: int) -> list[str]:
    """What an outcome depends on."""
    configs = (config_of(seed, FULL), evaluate_config(folder, seed))
    return [__version__, measures_digest(), *(config.digest() for config in configs)]


def measure(folder: Path, seed: int, take: Path | None) -> None:
    """Pre-train where that is to be done, evaluate by all protocols, and keep what came out."""
    found = trained(folder, seed, take)
    began = time.monotonic()
    settings = evaluate_config(folder, seed)
    outcome = evaluate(ALL, found.export, found.table, settings, "world", found.annotations, 1)
    result = {
        "seed": seed,
        "current": current(folder, seed),
        "digest": config_of(seed, FULL).digest(),
        "steps": load_export(found.export).config.steps,
        **asdict(found),
        "left_out": outcome["left_out"],
        "protocols": {name: {key: one[key] for key in _KEPT} for name, one in outcome["protocols"].items()},
        "evaluate_seconds": time.monotonic() - began,
    }
    temporary = result_file(folder, seed).with_suffix(".tmp")
    temporary.write_text(json.dumps(result, indent=1))
    temporary.replace(result_file(folder, seed))
    say(f"seed {seed}: evaluated in {result['evaluate_seconds']:.0f} s")


def head(results: Sequence[Mapping[str, Any]]) -> str:
    """What was measured on what, in words."""
    return (
        f"{date.today().isoformat()}, chronav {__version__}, {platform.machine()}, Python "
        f"{platform.python_version()}. Worlds of {VIDEOS_PER_CLASS} videos in {GROUPS_PER_CLASS} groups of each of "
        f"11 classes, one a seed. Exports: recipe `{RECIPE}`, {results[0]['steps']} steps on the training side "
        "without labels: the full method of the ablation study. Evaluations took "
        f"{sum(result['evaluate_seconds'] for result in results) / 60:.1f} minutes in all."
    )


def main() -> int:
    """Run what is missing, print, write the page; the exit code says whether pre-training shows everywhere."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", default="runs/world", help="worlds, runs and results, kept between calls")
    parser.add_argument("--take", type=Path, help="folder of an ablation study: its worlds and finished runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--page", default="docs/world.md")
    given = parser.parse_args()
    folder = Path(given.folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    torch.set_num_threads(1)
    missing = [seed for seed in given.seeds if kept(folder, seed) is None]
    if missing:
        with connected(min_cpus=3):
            for seed in missing:
                measure(folder, seed, given.take and given.take.absolute())
    results = [result for seed in given.seeds if (result := kept(folder, seed)) is not None]
    text = page(head(results), results)
    Path(given.page).write_text(text)
    print(text)
    return 0 if len(results) == len(given.seeds) and shown(results) else 1


if __name__ == "__main__":
    sys.exit(main())
