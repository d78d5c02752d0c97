"""What an ablation may be told: the grid of runs, and the keys of `chronav ablate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator

from chronav import storage
from chronav.config import Config, build
from chronav.errors import CallError
from evaluation.config import EvaluateConfig
from trainer import recipes
from trainer.config import PretrainConfig
from trainer.switches import SWITCHES

FULL = "full"
"""The row of the method with nothing taken away."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=60)]
Seed = Annotated[int, Field(ge=0)]


class Grid(Config):
    """The runs of a study: every switch and every change, each with every seed, beside the full method."""

    switches: tuple[str, ...] = Field((), strict=False, description="pieces to take away, by their names")
    changes: dict[Name, list[str]] = Field(
        {}, description="further rows: a name -> what differs from the full method, each key=value"
    )
    seeds: tuple[Seed, ...] = Field((0, 1, 2), strict=False, min_length=1, description="of pre-training")
    protocols: tuple[str, ...] = Field(
        ("retrieval", "linear", "audio"),
        strict=False,
        min_length=1,
        description="what each run is measured by",
    )

    @model_validator(mode="after")
    def _rows(self) -> Grid:
        unknown = [name for name in self.switches if name not in SWITCHES]
        if unknown:
            raise ValueError(f"unknown switch '{unknown[0]}' (known: {', '.join(SWITCHES)})")
        names = [FULL, *self.switches, *self.changes]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"'{twice[0]}' names two rows")
        if len(names) == 1:
            raise ValueError("neither switches nor changes: there is nothing to compare")
        for key in ("seeds", "protocols"):
            values = getattr(self, key)
            if len(set(values)) < len(values):
                raise ValueError(f"{key} are named twice")
        return self


GRIDS: dict[str, Grid] = {
    # Section 6 of the method: the temporal losses, each temporal task, and each piece of the contrastive part.
    "paper": Grid(
        switches=(
            "no_temporal",
            "no_speed",
            "no_direction",
            "no_order",
            "no_intermodal_order",
            "no_extra_positives",
            "no_extra_negatives",
            "no_vv",
            "no_va",
        )
    ),
}


class AblateConfig(PretrainConfig):
    """Keys of `chronav ablate`: those of the full method's pre-training, and these."""

    seeds: tuple[Seed, ...] | None = Field(
        None, strict=False, min_length=1, description="seeds of pre-training; unset: the grid's"
    )
    jobs: int = Field(0, ge=0, description="runs at a time; 0: as many as the cluster has room for")
    evaluate: EvaluateConfig = Field(EvaluateConfig(), description="keys of the evaluations")

    @model_validator(mode="after")
    def _seeds_are_several(self) -> AblateConfig:
        if "seed" in self.model_fields_set:
            raise ValueError("'seed' is that of one run; name seeds, as in seeds=[0,1,2]")
        if self.seeds and len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds are named twice")
        return self

    @property
    def full(self) -> PretrainConfig:
        """The full method's pre-training."""
        return PretrainConfig.model_validate(self.model_dump(include=set(PretrainConfig.model_fields)))


def open_config(recipe: str, file: str | None, overrides: Sequence[str]) -> AblateConfig:
    """A recipe, a file and overrides as the config; raises `CallError` naming the key."""
    return build(AblateConfig, file, overrides, recipes.get(recipe))


def open_grid(name: str) -> Grid:
    """A built-in grid, or that of a YAML file (local or URL); raises `CallError` naming what is wrong in it."""
    if name in GRIDS:
        return GRIDS[name]
    if not storage.is_file(name):
        raise CallError(
            f"there is no grid '{name}': neither a file nor one of {', '.join(GRIDS)}",
            code="missing_grid",
            key="grid",
        )
    try:
        return build(Grid, name)
    except CallError as error:
        raise CallError(f"grid '{name}': {error}", code=error.code, key=error.key, path=name) from None
