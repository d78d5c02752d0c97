"""Named starting points of a run; a recipe derives from the defaults of `PretrainConfig`.

| recipe | for | state |
|---|---|---|
| `tiny` | two CPU cores, the generated world: `chronav demo`, `make verify-learning` | measured, docs/learning.md |
| `small` | one GPU | not measured |
"""

from __future__ import annotations

from typing import Any

from chronav.errors import CallError

_TINY: dict[str, Any] = {
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
    },
}

_SMALL: dict[str, Any] = {
    "steps": 40_000,
    "batch_size": 128,
    "norm": "batch",
}

RECIPES: dict[str, dict[str, Any]] = {"tiny": _TINY, "small": _SMALL}


def get(name: str) -> dict[str, Any]:
    """The config values of a recipe; raises `CallError` for an unknown name."""
    if name not in RECIPES:
        known = ", ".join(RECIPES)
        raise CallError(f"unknown recipe '{name}' (known: {known})", code="unknown_recipe", key="recipe")
    return RECIPES[name]
