"""How the time is shared out: all parts together stay below the limit, whatever one of them does."""

from __future__ import annotations

from dataclasses import dataclass

LIMIT_S = 540.0
_MARGIN_S = 8.0  # for the start of the check, its end, and ending what does not end by itself


@dataclass(frozen=True)
class Part:
    """A part's place in the schedule; seconds."""

    name: str
    least_s: float  # with less it is skipped
    most_s: float | None = None  # None: all that is left
    may_be_cut: bool = False  # how long it takes is not ours to say, and what it has found by then counts


def parts(minutes: float, small: bool = False) -> tuple[Part, ...]:
    """All parts in their order; the pre-training has `minutes`, evaluations included.

    In the small run, which ends by itself and may share its machine, the parts before it may take what is left.
    """

    def most(seconds: float) -> float | None:
        return None if small else seconds

    return (
        Part("correctness", least_s=10, most_s=most(80)),
        Part("throughput", least_s=10, most_s=most(80)),
        Part("loader", least_s=8, most_s=most(60)),
        Part("compile", least_s=30, may_be_cut=True),
        Part("pretraining", least_s=20, most_s=60 * minutes),
    )


def allotment(part: Part, later: tuple[Part, ...], elapsed_s: float) -> float:
    """Seconds for a part, those of the pre-training kept for it; below `least_s` it is to be skipped."""
    kept = sum(other.most_s or 0.0 for other in later if other.name == "pretraining")
    left = LIMIT_S - _MARGIN_S - elapsed_s - kept
    return left if part.most_s is None else min(part.most_s, left)
