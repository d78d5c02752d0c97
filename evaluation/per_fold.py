"""One export for all folds, or, with `{fold}` in its path, one for each, pre-trained without what it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chronav import load_export, storage
from chronav.errors import CallError
from evaluation.splits import Fold
from evaluation.who import PLACE, PRETRAINED

if TYPE_CHECKING:
    from trainer.export import Export

_ALIKE = ("video", "audio", "norm", "fps", "sample_rate", "short_side")


@dataclass(frozen=True)
class Exports:
    """What was named by a path: `by_fold` maps the number of a fold to its export; empty: `first` answers for all.

    All of them are of the same architecture, at the same rates.
    """

    path: str
    first: Export
    by_fold: Mapping[str, Export] = field(default_factory=dict)

    @property
    def each(self) -> list[Export]:
        """Every export once."""
        return list(self.by_fold.values()) or [self.first]

    def of(self, fold: Fold) -> Export:
        """The one that answers for a fold; raises `CallError` where the fold has none."""
        if not self.by_fold:
            return self.first
        if fold.number not in self.by_fold:
            raise CallError(
                f"'{self.path}': there is no export for {fold.name}", code="missing_export", path=self.path
            )
        return self.by_fold[fold.number]

    def name(self, who: str, fold: Fold) -> str:
        """What its network on a fold is called, where all together are called `who`."""
        return f"{who}@{fold.number}" if self.by_fold else who

    def asked(self, folds: Sequence[Fold]) -> list[tuple[Export, list[Fold]]]:
        """Every export with the folds whose test items it answers for, where there are any."""
        if not self.by_fold:
            return [(self.first, list(folds))]
        mine = [(one, [fold for fold in folds if self.of(fold) is one]) for one in self.each]
        return [(one, of) for one, of in mine if of]


def is_own(name: str) -> bool:
    """Whether a network of this name (see `Exports.name`) is what is measured, or its part of a fold."""
    return name.partition("@")[0] == PRETRAINED


def open_exports(path: str) -> Exports:
    """Open the export at `path`, or those at `path` with 1, 2, … for `{fold}`, as far as they go.

    Raises `CallError` where there is none, or they differ in what they expect of their input.
    """
    if PLACE not in path:
        return Exports(path, load_export(path))
    by_fold = {"1": load_export(path.replace(PLACE, "1"))}
    while storage.exists(place := path.replace(PLACE, str(len(by_fold) + 1))):
        by_fold[str(len(by_fold) + 1)] = load_export(place)
    first = by_fold["1"]
    for number, export in by_fold.items():
        for key in _ALIKE:
            if getattr(export.config, key) != getattr(first.config, key):
                raise CallError(
                    f"the exports at '{path}' are not alike: {key} of 1 and of {number} differ",
                    code="bad_value",
                    key="export",
                    path=path,
                )
    return Exports(path, first, by_fold)
