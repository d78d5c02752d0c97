"""Runs of the ablation study: pre-train with a switch on the world of a seed, measure, leave a JSON file.

`python -m benchmarks.ablation_run FOLDER SEED SWITCH...` (SWITCH `full`: nothing taken away; or a name of `CHANGES`).
What it finds done it does not do again: the world of the seed, the clip table, a finished run, the steps of one that
was interrupted. Features are computed in this process, once for all protocols of a modality: the measures themselves
are those of `chronav evaluate`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch

from benchmarks.measures import measures_digest
from chronav import __version__, load_export
from chronav.cluster import connected
from chronav.config import build
from chronav.demo import TABLE
from chronav.progress import say
from evaluation.ablate.config import FULL
from evaluation.ablate.variants import changed, switched
from evaluation.aggregate import fold_metrics
from evaluation.config import EvaluateConfig
from evaluation.describe import Measurement
from evaluation.embedder import ClipShape, embed_rows
from evaluation.features import Features, Plan, gathered, plan_clips
from evaluation.floor import random_weights
from evaluation.protocols import protocol_named
from evaluation.protocols.frozen import FrozenProtocol
from evaluation.subject import prepare
from pipelines.config import IngestConfig
from pipelines.job import ingest
from pipelines.table import RowGroup, read_row_group
from pipelines.world import WorldConfig, make_world
from trainer import recipes
from trainer.config import PretrainConfig
from trainer.export import Export
from trainer.job import pretrain

RECIPE = "world"
VIDEOS_PER_CLASS, GROUPS_PER_CLASS, CLIPS = 72, 18, 10
MOMENTUM_KEYS = "momentum_keys"
CHANGES = {
    # The method's default way to its keys at the size of these runs. The default .996 would average over 250 of 600
    # steps. A batch enters 64 keys, so that the bank is 8 batches deep; a quarter of it are the recipe's 128
    # negatives.
    MOMENTUM_KEYS: ["loss.keys=momentum", "momentum=0.99", "loss.bank_size=512"],
}
"""Rows beside the switches: what differs from the full method."""
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
    name = RECIPE if switch in (FULL, *CHANGES) else f"{RECIPE}+{switch}"
    config = config_of(seed, switch)
    place = folder / f"run-{seed}-{switch}"
    kept = trained_result(folder, seed, switch) if (place / "export").exists() else None
    if kept:  # what it learnt is known: only the measuring is done again
        heads, pretrained_s = kept["heads"], kept["pretrain_seconds"]
    else:
        heads = pretrain([table], str(place), config, name, ["world/1=test"], "auto")["accuracies"]
        pretrained_s = time.monotonic() - began
    began_measuring = time.monotonic()
    figures, floor = probe(str(place / "export"), table, annotations, seed, with_floor=switch == FULL)
    return {
        "seed": seed,
        "switch": switch,
        "steps": config.steps,
        "version": __version__,
        "config_digest": config.digest(),
        "measures_digest": measures_digest(),
        "heads": heads,
        "figures": figures,
        "random_weights": floor,
        "pretrain_seconds": pretrained_s,
        "seconds": pretrained_s + time.monotonic() - began_measuring,
    }


def probe(
    path: str, table: str, annotations: str, seed: int, with_floor: bool
) -> tuple[dict[str, float], dict[str, float]]:
    """Figures of an export's features on the world's test list, and, if asked for, those of random weights."""
    config = build(EvaluateConfig, defaults={"clips": CLIPS, "labels": 50, "seed": seed})
    export = load_export(path)
    found: dict[str, dict[str, float]] = {}
    for modality in ("video", "audio"):
        titles = [p for p in PROBES if protocol_named(p[0]).modalities == (modality,)]
        task = Measurement(protocol_named(titles[0][0]), export, config, 1)
        subject = prepare(table, task, "world", annotations)
        shape = task.clip_shape()
        plan = plan_clips(subject.videos, subject.used, shape, config.clips)
        networks = {"pretrained": export}
        if with_floor:
            training = subject.folds[0].train.tolist()
            weights = random_weights(export, seed, plan, training, subject.row_groups, shape)
            networks["random"] = export.with_weights(weights)
        features = _embedded(plan, subject.row_groups, shape, networks)
        fold = subject.fold_data(subject.folds[0], features.owner)
        for name in networks:
            for protocol in dict.fromkeys(protocol for protocol, _, _ in titles):
                method = protocol_named(protocol)
                assert isinstance(method, FrozenProtocol)
                measured = fold_metrics(method.measure(fold, features.of(name), config))
                for of, metric, title in titles:
                    if of == protocol:
                        found.setdefault(name, {})[title] = measured[metric]
    return found["pretrained"], found.get("random", {})


def _embedded(
    plan: Plan, groups: Sequence[RowGroup], shape: ClipShape, networks: dict[str, Export]
) -> Features:
    column = "frames" if shape.modality == "video" else "audio"
    parts = [
        embed_rows(read_row_group(groups[number], [column]), requests, shape, networks, 64)
        for number, requests in sorted(plan.requests.items())
    ]
    return gathered(parts, list(networks), plan.short_clips)


def is_trained(result: dict[str, Any], seed: int, switch: str) -> bool:
    """Whether a kept result's training has the present config and version: others must not pass for today's."""
    present = (__version__, config_of(seed, switch).digest())
    return (result.get("version"), result.get("config_digest")) == present


def is_current(result: dict[str, Any], seed: int, switch: str) -> bool:
    """Whether a kept result was both trained and measured as it would be now."""
    return is_trained(result, seed, switch) and result.get("measures_digest") == measures_digest()


def config_of(seed: int, switch: str) -> PretrainConfig:
    """The config of a run."""
    full = build(PretrainConfig, defaults=recipes.get(RECIPE) | {"seed": seed})
    if switch in CHANGES:
        return changed(full, switch, CHANGES[switch])
    return full if switch == FULL else switched(full, switch)


def result_of(folder: Path, seed: int, switch: str) -> dict[str, Any] | None:
    """The kept result of a run, if it is there and current."""
    result = trained_result(folder, seed, switch)
    return result if result is not None and is_current(result, seed, switch) else None


def trained_result(folder: Path, seed: int, switch: str) -> dict[str, Any] | None:
    """The kept result of a run whose training is what it would be now."""
    file = result_file(folder, seed, switch)
    result = json.loads(file.read_text()) if file.exists() else None
    return result if result is not None and is_trained(result, seed, switch) else None


def result_file(folder: Path, seed: int, switch: str) -> Path:
    """Where a run leaves what it found."""
    return folder / f"result-{seed}-{switch}.json"


def trained_on(folder: Path, seed: int, switch: str) -> str:
    """The date of a run's export."""
    made = (folder / f"run-{seed}-{switch}" / "export" / "config.json").stat().st_mtime
    return date.fromtimestamp(made).isoformat()


def main() -> None:
    """Do what is missing of some switches on the world of one seed, one after the other."""
    folder, seed, switches = Path(sys.argv[1]).absolute(), int(sys.argv[2]), sys.argv[3:]
    os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow-{seed}-{switches[0]}.db")
    torch.set_num_threads(1)
    with connected(min_cpus=3):
        for switch in switches:
            if result_of(folder, seed, switch) is None:
                file = result_file(folder, seed, switch)
                found = measure(folder, seed, switch)
                temporary = file.with_suffix(".tmp")
                temporary.write_text(json.dumps(found, indent=1))
                temporary.replace(file)
                say(f"seed {seed} {switch}: done in {found['seconds']:.0f} s")


if __name__ == "__main__":
    main()
