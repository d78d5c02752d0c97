"""How much each part does: on a CUDA machine, and in the small run that shows on a CPU that all of it works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chronav.config import build
from trainer import recipes
from trainer.config import PretrainConfig

_ONE_DEVICE = {"seed": 0, "workers": 1, "lanes": 1, "norm": "batch"}


@dataclass(frozen=True)
class Sizes:
    """Amounts of work; `model` is merged into the recipe."""

    recipe: str
    model: Mapping[str, Any]
    correctness_batch: int
    settling_steps: int  # before correctness is looked at
    smallest_batch: int  # where the search for the largest begins
    batch_cap: int  # where it ends
    batch_step: int  # and how finely it looks
    timed_steps: int
    loader_batch: int
    loader_s: float
    loader_workers: int  # at most; 0: one a core
    training: Mapping[str, Any]  # of the real pre-training, merged into the recipe
    most_steps: int  # of it, whatever time there is
    calibration_steps: int
    heldout_draws: int
    embed_clips: int  # of a segment, for retrieval


# A run of minutes on a few dozen clips is no run of days on 240,000: more updates, the temporal tasks weighted as
# docs/method.md found they need to be in short runs, a bank that such an epoch fills.
_SHORT_RUN: dict[str, Any] = {
    "batch_size": 64,
    "lr": 5e-4,
    "lr_batch": 64,
    "samples_per_row": 32,
    "loss": {"lambda_t": 5.0, "bank_min_fill": 256, "n_negatives": 256},
    "momentum": 0.99,
}

FULL = Sizes(
    recipe="kinetics400",
    model={},
    correctness_batch=8,
    settling_steps=40,
    smallest_batch=64,
    batch_cap=1024,
    batch_step=16,
    timed_steps=8,
    loader_batch=64,
    loader_s=10.0,
    loader_workers=0,
    training=_SHORT_RUN,
    most_steps=100_000,
    calibration_steps=12,
    heldout_draws=32,
    embed_clips=8,
)

_TOY: dict[str, Any] = {
    "precision": "bf16",
    "threads": 1,
    "projection_hidden": 16,
    "projection_dim": 8,
    "head_hidden": 16,
    "video": {"width": 8, "stages": 2, "size": 16},
    "audio": {"width": 8, "blocks": (1, 1), "n_mels": 16},
    "loss": {"keys": "momentum", "bank_size": 64, "bank_min_fill": 8, "n_negatives": 8},
}

SMALL = Sizes(
    recipe="tiny",
    model=_TOY,
    correctness_batch=8,
    settling_steps=4,
    smallest_batch=2,
    batch_cap=8,
    batch_step=2,
    timed_steps=3,
    loader_batch=8,
    loader_s=1.0,
    loader_workers=1,
    training={"batch_size": 8},
    most_steps=8,
    calibration_steps=4,
    heldout_draws=4,
    embed_clips=2,
)


def sizes(small: bool) -> Sizes:
    """The amounts of a run."""
    return SMALL if small else FULL


def config(amounts: Sizes, *more: Mapping[str, Any]) -> PretrainConfig:
    """The recipe of a run on one device, with changes; later ones win.

    No lanes, which a shard without row groups has no use for, and plain batch norm: on one device it is the same
    as that of a recipe for several.
    """
    values: Mapping[str, Any] = recipes.get(amounts.recipe)
    for layer in (_ONE_DEVICE, amounts.model, *more):
        values = recipes.derive(values, layer)
    return build(PretrainConfig, defaults=values)
