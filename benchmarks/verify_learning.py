"""`make verify-learning`: the tiny recipe on the generated world, one seed, everything through the real path.

Makes the world, ingests it, pre-trains, evaluates, and writes docs/learning.md: every head on held-out videos with
its 95 % interval, and frozen features beside the same network with random weights. Exit code 1 where a head is not
above chance, a representation not above random weights, or a figure of the throw-away prototype not reached.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from chronav import __version__
from chronav.config import build
from chronav.demo import DemoConfig, demo
from chronav.progress import format_seconds

# Reached by a throw-away prototype within three minutes of training (pre-trained, random weights).
HEAD_GOALS = {
    "speed_v": 0.55,
    "speed_a": 0.70,
    "direction_v": 0.60,
    "direction_a": 0.72,
    "order_vv": 0.40,
    "order_aa": 0.46,
    "order_va": 0.41,
}
# Protocol, its metric, what it is called, and the prototype's figures.
PROBES = (
    ("retrieval", "R@1", "video R@1", 0.80, 0.20),
    ("linear", "top1_video", "video linear probe", None, None),
    ("linear", "top1_video_50_labels", "video linear probe, 50 labels", 0.70, 0.15),
    ("audio", "top1_video", "audio linear probe", 0.75, 0.65),
)
# 20 clips of half a second are the whole of a video of 10 s.
_WORLD = {"videos_per_class": 136, "groups_per_class": 17, "steps": 1400, "clips": 20}


def head_rows(accuracies: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], bool]:
    """Markdown rows of the seven heads; whether all are above chance by their whole interval and at their goals."""
    rows, ok = [], True
    for head, goal in HEAD_GOALS.items():
        a = accuracies[head]
        level = max(a["chance"], a["duration_baseline"])
        above = a["low"] > level
        ok = ok and above and a["value"] >= goal
        rows.append(
            f"| {head} | {a['value']:.2f} | {a['low']:.2f} to {a['high']:.2f} | {a['chance']:.2f} "
            f"| {a['duration_baseline']:.2f} | {a['n']} | {_yes(above)} | {goal:.2f} | {_yes(a['value'] >= goal)} |"
        )
    return rows, ok


def _yes(true: bool) -> str:
    return "yes" if true else "**no**"


def probe_rows(evaluations: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], bool]:
    """Markdown rows of the frozen features, and whether all are above random weights and at their goals."""
    rows, ok = [], True
    for protocol, metric, name, goal, random_goal in PROBES:
        outcome = evaluations[protocol]
        value, random = outcome["metrics"][metric], outcome["baselines"]["random_weights"][metric]
        gain = outcome["metrics"].get(f"{metric}_gain_low", value - random)
        ok = ok and gain > 0 and (goal is None or value >= goal)
        low, high = (outcome["metrics"].get(f"{metric}_{side}") for side in ("low", "high"))
        interval = "" if low is None else f"{low:.2f} to {high:.2f}"
        known = "" if goal is None else f"{goal:.2f} ({random_goal:.2f})"
        chance = outcome["baselines"]["chance"].get(metric)
        reached = "" if goal is None else _yes(value >= goal)
        rows.append(
            f"| {name} | {value:.2f} | {interval} | {random:.2f} "
            f"| {'' if chance is None else f'{chance:.2f}'} | {_yes(gain > 0)} | {known} | {reached} |"
        )
    return rows, ok


def page(outcome: Mapping[str, Any], heads: list[str], probes: list[str], settings: DemoConfig) -> str:
    """The page as Markdown."""
    pretrain = outcome["pretrain"]
    spent = ", ".join(f"{name} {format_seconds(s)}" for name, s in outcome["seconds"].items())
    return "\n".join(
        [
            "# Does it learn?",
            "",
            "Written by `make verify-learning` (`benchmarks/verify_learning.py`); do not edit by hand.",
            "",
            f"{date.today().isoformat()}, chronav {__version__}, {platform.machine()}, Python "
            f"{platform.python_version()}, seed {settings.seed}. "
            f"World: {outcome['ingest']['ok']} generated videos of 10 s, H.264 and AAC. Recipe `tiny`: "
            f"{pretrain['steps']} steps, {pretrain['samples']} samples. Evaluations: {settings.clips} clips a video. "
            f"Time: {spent}.",
            "",
            f"## The seven temporal tasks, on {pretrain['heldout_videos']} held-out videos",
            "",
            "| head | accuracy | 95 % interval over videos | chance | guess from duration alone | n "
            "| above chance | prototype | reached |",
            "|---|---|---|---|---|---|---|---|---|",
            *heads,
            "",
            "## Frozen features, on the world's test list (none of it was trained on)",
            "",
            "| what | pre-trained | 95 % interval | random weights | chance | above random "
            "| prototype (its random weights) | reached |",
            "|---|---|---|---|---|---|---|---|",
            *probes,
            "",
            "No momentum encoders and no banks in this recipe: keys come from the model itself (docs/method.md). "
            "One seed. *Above chance*: the whole interval is; *above random*: so is the whole paired interval of the "
            "gain where there is one. The recipe was chosen by figures on the test lists of worlds of seeds 0 and 1, "
            "so a run with one of these seeds would flatter it. "
            "*50 labels*: one mean feature a video, mean over ten draws of 50 labelled videos. "
            "*Random weights*: norms fitted to 64 training clips. "
            "The prototype trained for three minutes on another, simpler world without files, tables or "
            "Ray: its figures are goals, not a comparison.",
            "",
        ]
    )


def main() -> int:
    """Run, print, write the page; the exit code says whether everything learnt."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--seed", type=int, default=7, help="of the world, of training and of the evaluations"
    )
    parser.add_argument("--page", default="docs/learning.md")
    given = parser.parse_args()
    settings = build(DemoConfig, defaults=_WORLD | {"seed": given.seed})
    with tempfile.TemporaryDirectory(prefix="chronav-learning-") as folder:
        os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        outcome = demo(f"{folder}/run", None, settings)
    heads, heads_ok = head_rows(outcome["pretrain"]["accuracies"])
    probes, probes_ok = probe_rows(outcome["evaluate"])
    text = page(outcome, heads, probes, settings)
    Path(given.page).write_text(text)
    print(text)
    return 0 if heads_ok and probes_ok else 1


if __name__ == "__main__":
    sys.exit(main())
