"""Who is measured, by the names under which outcomes, metrics and pages hold them."""

from __future__ import annotations

from collections.abc import Iterable

PRETRAINED, AGAINST, CLASSICAL = "pretrained", "against", "classical"
RANDOM = "random_weights"
"""The same networks as the export's, never trained."""
SCRATCH = "from_scratch"
"""The same network trained on the labels alone, beginning with random weights."""
CHANCE, MAJORITY = "chance", "majority_class"
FLOORS = {RANDOM: "random weights", SCRATCH: "from scratch"}
"""What pre-training is to be better than, in words: frozen features have the first, fine-tuning the other."""
PLACE = "{fold}"
"""In the path of an export: the number of a fold, where each has its own."""


def floor_of(names: Iterable[str]) -> str | None:
    """Which of those measured is the floor; None where there is none."""
    return next((name for name in names if name in FLOORS), None)


def in_words(who: str) -> str:
    """Who it is, in a sentence: `random_weights` -> `random weights`."""
    return {PRETRAINED: "pre-trained"}.get(who, who.replace("_", " "))
