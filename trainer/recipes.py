"""Named starting points of a run: changes to the defaults of `PretrainConfig`, most of them derived from another.

A recipe may be followed by switches, each of which takes one piece of the method away: `tiny+no_order`,
`kinetics400+no_vv+no_order`. Commands, times, memory and results of all of them: docs/training.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chronav.config import did_you_mean
from chronav.errors import CallError
from trainer.switches import SWITCHES

Values = Mapping[str, Any]


def derive(base: Values, changes: Values) -> dict[str, Any]:
    """`base` with `changes`; nested mappings are merged key by key."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = derive(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


_TINY: Values = {
    "steps": 1400,
    "batch_size": 32,
    "lr": 3e-3,
    "lr_batch": 32,
    "warmup_steps": 30,
    "checkpoint_every": 500,
    # One thread: two are a third faster on idle cores, and ten times slower as soon as anything else wants one.
    "threads": 1,
    "heldout_every": 500,
    "heldout_draws": 16,
    "samples_per_row": 2,
    "lanes": 4,
    "window_row_groups": 8,
    "projection_hidden": 128,
    "projection_dim": 64,
    "head_hidden": 128,
    "video": {"encoder": "r2plus1d_small", "width": 16, "stages": 3, "n_frames": 8, "size": 32},
    "audio": {"width": 16, "blocks": (1, 1, 1), "clip_s": 0.5, "n_mels": 40, "f_max": 3500.0},
    # Milder than the defaults: at 32 pixels a tight crop often loses the one thing that moves.
    # Fading the background takes from the loss among videos its shortcut: two clips of one video share a background.
    "augment": {
        "crop_scale_min": 0.6,
        "p_blur": 0.0,
        "p_fade": 1.0,
        "frequency_mask": 0.1,
        "gain_db": 3.0,
    },
    # The tasks that rise last get more weight: video direction, the orders that sound takes part in, and which
    # sound belongs to which picture.
    "loss": {
        "lambda_t": 5.0,
        "direction_v": 3.0,
        "order_aa": 2.0,
        "order_va": 2.0,
        "va": 4.0,
        "keys": "online",
        "n_positives": 0,
        "n_negatives": 0,
    },
}

# `tiny` with banks, and shorter: what the ablations are measured on. The world has eleven classes: a bank's most
# similar tenth is of the query's own class, and no negative. In so few steps v-a hardly begins, and order within
# sound comes last.
_WORLD = derive(
    _TINY,
    {
        "steps": 600,
        "loss": {
            "va": 2.0,
            "order_aa": 4.0,
            "order_va": 3.0,
            "bank_size": 1024,
            "n_positives": 1,
            "n_negatives": 128,
            "skip_share": 0.15,
        },
    },
)

# One GPU, an evening: the method's networks at the method's sizes, a bank that fits a few thousand segments.
_SMALL: Values = {
    "steps": 20_000,
    "batch_size": 64,
    "precision": "bf16",
    "samples_per_row": 2,
    # Few lanes and short windows: about 2 GB of decoded samples wait, not 7.
    "lanes": 4,
    "window_row_groups": 2,
    "checkpoint_every": 500,
    "loss": {"bank_size": 16_384},
}

# About 240,000 clips of 10 s on 8 GPUs: some 200 epochs.
_KINETICS400: Values = {
    "steps": 94_000,
    "batch_size": 512,
    "workers": 8,
    "lanes": 64,
    "norm": "sync_batch",
    "precision": "bf16",
    "warmup_steps": 2_000,
    "checkpoint_every": 1_000,
    "heldout_every": 5_000,
    "heldout_fraction": 0.01,
    "heldout_draws": 2,
}

# About 180,000 clips, all with sound.
_VGGSOUND = derive(_KINETICS400, {"steps": 70_000})

# 9,537 training clips of split 1, half of the classes with sound: each is drawn from often, and the bank is small.
_UCF101 = derive(
    _SMALL, {"steps": 45_000, "batch_size": 128, "samples_per_row": 4, "loss": {"bank_min_fill": 2048}}
)

RECIPES: dict[str, Values] = {
    "tiny": _TINY,
    "world": _WORLD,
    "small": _SMALL,
    "kinetics400": _KINETICS400,
    "vggsound": _VGGSOUND,
    "ucf101": _UCF101,
}


def get(name: str) -> dict[str, Any]:
    """The config values of `RECIPE` or `RECIPE+SWITCH…`; raises `CallError` for an unknown name."""
    recipe, *switches = name.split("+")
    if {"video_only", "audio_only"} <= set(switches):
        raise CallError("video_only and audio_only exclude one another", code="bad_value", key="recipe")
    values = dict(_known(RECIPES, recipe, "recipe"))
    for switch in switches:
        values = derive(values, _known(SWITCHES, switch, "switch"))
    return values


def _known(table: Mapping[str, Values], name: str, what: str) -> Values:
    if name not in table:
        raise CallError(
            f"unknown {what} '{name}'{did_you_mean(name, table)} (known: {', '.join(table)})",
            code=f"unknown_{what}",
            key="recipe",
        )
    return table[name]
