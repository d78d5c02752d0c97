"""One run of the ablation study: pre-train with a switch on the world of a seed, measure, leave a JSON file.

`python -m benchmarks.ablation_run FOLDER SEED SWITCH` (SWITCH `full`: nothing taken away). What it finds done it does
not do again: the world of the seed, the clip table, a run that was interrupted.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from chronav.cluster import connected
from chronav.config import build
from chronav.demo import TABLE
from evaluation.config import EvaluateConfig
from evaluation.job import evaluate
from pipelines.config import IngestConfig
from pipelines.job import ingest
from pipelines.world import WorldConfig, make_world
from trainer import recipes
from trainer.config import PretrainConfig
from trainer.job import pretrain

FULL = "full"
RECIPE = "world"
VIDEOS_PER_CLASS, GROUPS_PER_CLASS, CLIPS = 72, 18, 10
# Protocol, its metric, and what the table calls it.
PROBES = (
    ("retrieval", "R@1", "video R@1"),
    ("linear", "top1_video", "video linear"),
    ("linear", "top1_video_50_labels", "video 50 labels"),
    ("audio", "top1_video", "audio linear"),
)


def world_of(folder: Path, seed: int) -> tuple[str, str]:
    """The clip table and the annotations of a seed's world, made if they are not there yet."""
    place = folder / f"world-{seed}"
    settings = build(
        WorldConfig,
        defaults={
            "videos_per_class": VIDEOS_PER_CLASS,
            "groups_per_class": GROUPS_PER_CLASS,
            "seed": seed,
        },
    )
    table, annotations = f"{place}/clips", place / "annotations.txt"
    if not annotations.exists():
        made = make_world(f"{place}/media", settings)
        ingest(made.folder, table, build(IngestConfig, defaults=TABLE), "world", made.annotations)
        annotations.write_text(made.annotations)
    return table, annotations.read_text()


def measure(folder: Path, seed: int, switch: str) -> dict[str, Any]:
    """Pre-train and evaluate; heads, figures of the features and of random weights, seconds."""
    began = time.monotonic()
    table, annotations = world_of(folder, seed)
    name = RECIPE if switch == FULL else f"{RECIPE}+{switch}"
    config = build(PretrainConfig, defaults=recipes.get(name) | {"seed": seed})
    trained = pretrain([table], f"{folder}/run-{seed}-{switch}", config, name, ["world/1=test"], "auto")
    pretrained_s = time.monotonic() - began
    figures, floor = {}, {}
    settings = build(
        EvaluateConfig, defaults={"clips": CLIPS, "labels": 50, "seed": seed, "out": f"{folder}/reports"}
    )
    for protocol in dict.fromkeys(protocol for protocol, _, _ in PROBES):
        found = evaluate(protocol, trained["export"], table, settings, "world", annotations, 1)
        for of, metric, title in PROBES:
            if of == protocol:
                figures[title] = found["metrics"][metric]
                floor[title] = found["baselines"]["random_weights"][metric]
    return {
        "seed": seed,
        "switch": switch,
        "steps": config.steps,
        "heads": trained["accuracies"],
        "figures": figures,
        "random_weights": floor,
        "pretrain_seconds": pretrained_s,
        "seconds": time.monotonic() - began,
    }


def result_file(folder: Path, seed: int, switch: str) -> Path:
    """Where a run leaves what it found."""
    return folder / f"result-{seed}-{switch}.json"


def main() -> None:
    """Run once, unless the result is there."""
    folder, seed, switch = Path(sys.argv[1]).absolute(), int(sys.argv[2]), sys.argv[3]
    os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow-{seed}-{switch}.db")
    with connected(min_cpus=3):
        found = measure(folder, seed, switch)
    temporary = folder / f".{seed}-{switch}.tmp"
    temporary.write_text(json.dumps(found, indent=1))
    temporary.replace(result_file(folder, seed, switch))


if __name__ == "__main__":
    main()
