"""The rows of a study as configs: the full method, and each with one thing changed, all else as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chronav.config import build, validate
from chronav.errors import CallError
from evaluation.ablate.config import FULL, Grid
from trainer import recipes
from trainer.config import HEADS, PretrainConfig
from trainer.switches import SWITCHES


@dataclass(frozen=True)
class Variant:
    """A row: its name, what its export calls its recipe, and its pre-training with the first seed."""

    name: str
    recipe: str
    config: PretrainConfig

    def seeded(self, seed: int) -> PretrainConfig:
        """Its pre-training with a seed."""
        return self.config.model_copy(update={"seed": seed})


def variants(grid: Grid, full: PretrainConfig, recipe: str) -> tuple[list[Variant], list[str]]:
    """The full method first, then the rows in their order; and in words those that would be the full method again.

    Raises `CallError` for a change that is none of the config, or that leaves nothing to learn.
    """
    rows = [Variant(FULL, recipe, full)]
    rows += [Variant(name, f"{recipe}+{name}", switched(full, name)) for name in grid.switches]
    rows += [Variant(name, recipe, changed(full, name, texts)) for name, texts in grid.changes.items()]
    kept = [row for row in rows if row.name == FULL or row.config != full]
    same = [row.name for row in rows if row not in kept]
    notes = [f"{', '.join(same)} left out: with this recipe, the same as the full method."] if same else []
    if len(kept) == 1:
        raise CallError(
            f"nothing to compare: {', '.join(same)} change nothing of recipe '{recipe}'",
            code="nothing_to_compare",
            key="grid",
        )
    return kept, notes


def switched(full: PretrainConfig, switch: str) -> PretrainConfig:
    """The full method without a piece."""
    return _valid(full.model_dump(), SWITCHES[switch], switch)


def changed(full: PretrainConfig, name: str, texts: Sequence[str]) -> PretrainConfig:
    """The full method with other values, each `key=value`."""
    try:
        made = build(PretrainConfig, overrides=texts, defaults=full.model_dump())
    except CallError as error:
        raise CallError(f"grid change '{name}': {error}", code=error.code, key=error.key) from None
    if made.seed != full.seed:
        raise CallError(
            f"grid change '{name}': seeds are the same for all rows", code="bad_value", key="seed"
        )
    return made


def untrained(config: PretrainConfig) -> list[str]:
    """The heads that a run does not train: their accuracy is that of a guess."""
    return [head for head in HEADS if config.loss.lambda_t * getattr(config.loss, head) == 0]


def _valid(values: dict, changes: recipes.Values, name: str) -> PretrainConfig:
    try:
        return validate(PretrainConfig, recipes.derive(values, changes))
    except CallError as error:
        raise CallError(f"switch '{name}': {error}", code=error.code, key=error.key) from None
