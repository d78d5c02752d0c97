"""What pre-training is worth to fine-tuning on the generated world: `make verify-finetune` writes docs/finetune.md.

Makes the world, pre-trains once, and fine-tunes with 1, 5 and 20 labelled videos a class, from the export and from
scratch at an equal budget, three seeds each. Resumable: the world, the export, every training and every result are
kept in the folder, and only what is missing is done. Exit code 1 where fine-tuning from the export is not above
fine-tuning from scratch by the whole of its interval.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.measures import measures_digest
from chronav import __version__
from chronav.cluster import connected
from chronav.config import build
from chronav.demo import TABLE
from chronav.progress import say
from evaluation.compare import compare
from evaluation.comparison import p_text
from evaluation.config import EvaluateConfig
from evaluation.job import evaluate
from evaluation.who import SCRATCH
from pipelines.config import IngestConfig
from pipelines.job import ingest
from pipelines.world import WorldConfig, make_world
from trainer import recipes
from trainer.config import PretrainConfig
from trainer.job import pretrain

LABELS, SEEDS, RECIPE, WORLD_SEED = (1, 5, 20), 3, "world", 21
METRIC = "top1_video"
CURVE = "finetune.html"
"""Page in the folder that sets the cells beside one another, with the curve."""
_WORLD = {"videos_per_class": 40, "groups_per_class": 10, "seed": WORLD_SEED}
# Set before anything was measured. The rate is that of pre-training, halved; one thread, as in the recipe.
_FINETUNE = {
    "steps": 200,
    "batch_size": 32,
    "lr": 1.5e-3,
    "threads": 1,
    "augment": {"crop_scale_min": 0.6},
}
WHO = {
    "pretrained": "from the export",
    SCRATCH: "from scratch",
    "frozen_linear": "linear probe, frozen",
}


def config_of(folder: Path, labels: int) -> EvaluateConfig:
    """The config of a cell of the table."""
    values = {
        "labels_per_class": labels,
        "seeds": SEEDS,
        "clips": 10,
        "finetune": _FINETUNE,
        "out": f"{folder}/reports",
        "cache": f"{folder}/cache",
    }
    return build(EvaluateConfig, defaults=values)


def world_of(folder: Path) -> tuple[str, str]:
    """The clip table and the annotations of the world, made if they are not there yet."""
    table, noted = f"{folder}/clips", folder / "annotations.txt"
    if not noted.exists():
        made = make_world(f"{folder}/media", build(WorldConfig, defaults=_WORLD))
        ingest(made.folder, table, build(IngestConfig, defaults=TABLE), "world", made.annotations)
        noted.write_text(made.annotations)
    return table, noted.read_text()


def export_of(folder: Path, table: str) -> str:
    """The export of the pre-training run, which goes on from where it was."""
    export = folder / "run" / "export"
    if not (export / "config.json").exists():
        config = build(PretrainConfig, defaults=recipes.get(RECIPE) | {"seed": WORLD_SEED})
        pretrain([table], f"{folder}/run", config, RECIPE, ["world/1=test"], "auto")
    return str(export)


def result_file(folder: Path, labels: int) -> Path:
    """Where a cell leaves what it found."""
    return folder / f"result-{labels}.json"


def result_of(folder: Path, labels: int) -> dict[str, Any] | None:
    """The kept result of a cell, if it was made with the present config, version and code."""
    file = result_file(folder, labels)
    result = json.loads(file.read_text()) if file.exists() else None
    return result if result and result.get("current") == current(folder, labels) else None


def current(folder: Path, labels: int) -> list[str]:
    """What a result depends on."""
    return [__version__, measures_digest(), config_of(folder, labels).digest()]


def measure(folder: Path, labels: int, export: str, table: str, annotations: str) -> None:
    """Fine-tune and test with so many labels a class, and keep what came out."""
    began, config = time.monotonic(), config_of(folder, labels)
    outcome = evaluate("finetune", export, table, config, "world", annotations, 1)
    kept = ("metrics", "baselines", "differences", "splits", "protocol_text", "report", "mlflow_run_id")
    result = {name: outcome[name] for name in kept}
    result |= {"labels": labels, "current": current(folder, labels)}
    result |= {"seconds": time.monotonic() - began}
    temporary = result_file(folder, labels).with_suffix(".tmp")
    temporary.write_text(json.dumps(result, indent=1))
    temporary.replace(result_file(folder, labels))


def numbers_of(result: Mapping[str, Any], who: str) -> list[float]:
    """The accuracy of a contender with each seed."""
    rows = result["splits"]
    if who == "pretrained":
        return [row["metrics"][METRIC] for row in rows]
    return [row["baselines"][who][METRIC] for row in rows]


def shown(result: Mapping[str, Any]) -> bool:
    """Whether the export is above scratch by the whole interval of the paired difference."""
    return result["differences"][SCRATCH][METRIC]["low"] > 0


def table_rows(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """A row for each number of labels: mean and spread over the seeds of each contender, and the difference."""
    rows = []
    for result in results:
        cells = []
        for who in WHO:
            summary = result["metrics"] if who == "pretrained" else result["baselines"][who]
            each = ", ".join(f"{value:.2f}" for value in numbers_of(result, who))
            cells.append(f"{summary[METRIC]:.2f} ± {summary[f'{METRIC}_seed_std']:.2f} ({each})")
        d = result["differences"][SCRATCH][METRIC]
        cells.append(f"{result['baselines']['chance'][METRIC]:.2f}")
        cells.append(f"{d['value']:+.2f} [{d['low']:+.2f}, {d['high']:+.2f}], {p_text(d['p'], d['groups'])}")
        rows.append(
            f"| {result['labels']} | " + " | ".join(cells) + f" | {'yes' if shown(result) else '**no**'} |"
        )
    return rows


def page(results: Sequence[Mapping[str, Any]]) -> str:
    """The page as Markdown."""
    first, steps = results[0], recipes.get(RECIPE)["steps"]
    missing = [labels for labels in LABELS if labels not in {result["labels"] for result in results}]
    lines = [
        "# What pre-training is worth to fine-tuning, on the generated world",
        "",
        "Written by `make verify-finetune` (`benchmarks/verify_finetune.py`); do not edit by hand.",
        "",
        f"{date.today().isoformat()}, chronav {__version__}, {platform.machine()}, Python "
        f"{platform.python_version()}. World: 11 classes, {_WORLD['videos_per_class']} videos of each, a fifth of "
        f"the groups for testing ({first['splits'][0]['n_test']} videos). One export: recipe `{RECIPE}`, "
        f"{steps} steps on the training side without labels. {SEEDS} seeds of the draw of labels, the head, the "
        "order of clips, the augmentation and the random weights; the pre-training has one. Fine-tuning took "
        f"{sum(result['seconds'] for result in results) / 60:.1f} minutes in all.",
        "",
        f"Protocol: {first['protocol_text']}.",
        "",
        "Accuracy by video: mean and standard deviation over the seeds, and each of them. Difference: from the "
        "export less from scratch, paired by test video, 95 % interval by bootstrap over groups.",
        "",
        f"| labels a class | {' | '.join(WHO.values())} | chance | difference | above scratch |",
        "|---|" + "---|" * (len(WHO) + 3),
        *table_rows(results),
        "",
        f"The same as a curve, with all that each evaluation has: `{CURVE}` in the folder (`runs/finetune`), which "
        "this command writes beside the report of each row.",
        "",
    ]
    if missing:
        lines += [f"**Unfinished:** not run yet with {', '.join(map(str, missing))} labels a class.", ""]
    return "\n".join(lines)


def main() -> int:
    """Run what is missing, print, write the page; the exit code says whether pre-training shows everywhere."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--folder", default="runs/finetune", help="world, export and results, kept between calls"
    )
    parser.add_argument(
        "--labels", type=int, nargs="*", default=LABELS, help="cells to run; none: only the page"
    )
    parser.add_argument("--page", default="docs/finetune.md")
    given = parser.parse_args()
    folder = Path(given.folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    missing = [labels for labels in given.labels if result_of(folder, labels) is None]
    if missing:
        with connected(min_cpus=3):
            table, annotations = world_of(folder)
            export = export_of(folder, table)
            for labels in missing:
                measure(folder, labels, export, table, annotations)
                say(f"{labels} labels a class: done")
    results = [result for labels in LABELS if (result := result_of(folder, labels)) is not None]
    if not results:
        say("nothing has been run yet")
        return 1
    if len(results) > 1:
        compare([result["mlflow_run_id"] for result in results], f"{folder}/{CURVE}")
    text = page(results)
    Path(given.page).write_text(text)
    print(text)
    return 0 if len(results) == len(LABELS) and all(map(shown, results)) else 1


if __name__ == "__main__":
    sys.exit(main())
