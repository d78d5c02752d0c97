"""Tables mixed by weight: `--table T=WEIGHT` on the command line, and the rows of each table that an epoch takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from chronav import storage
from chronav.errors import CallError


def parse_tables(texts: Sequence[str]) -> tuple[list[str], tuple[float, ...] | None]:
    """Paths and weights of tables given as `T` or `T=WEIGHT`; None where no table has a weight.

    Only a number behind the last `=` is a weight, and none where the text as it stands is a path that exists.
    Raises `CallError` for a weight that is not finite and above 0, and where only some tables have one.
    """
    split = [_split(text) for text in texts]
    paths = [path for path, _ in split]
    weights = tuple(weight for _, weight in split if weight is not None)
    if weights and len(weights) < len(split):
        bare = next(path for path, weight in split if weight is None)
        raise CallError(
            f"--table {bare} has no weight and others have: give every table one (T=WEIGHT), or none",
            code="bad_value",
            key="table",
        )
    return paths, weights or None


def row_counts(rows: Sequence[int], weights: Sequence[float]) -> list[int]:
    """Rows that an epoch takes from each table, as many as all have together: shares by weight, largest remainder.

    `rows`: what each table has. Of equal remainders the earlier table's is rounded up.
    """
    total = sum(rows)
    exact = [Fraction(str(weight)) for weight in weights]  # 0.7 and 0.3 as they were written
    quotas = [total * weight / sum(exact) for weight in exact]
    counts = [math.floor(quota) for quota in quotas]
    by_remainder = sorted(range(len(rows)), key=lambda i: counts[i] - quotas[i])
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    return counts


def _split(text: str) -> tuple[str, float | None]:
    path, _, number = text.rpartition("=")
    if not path:
        return text, None
    try:
        weight = float(number)
    except ValueError:
        return text, None
    if storage.exists(text):
        return text, None
    if not (math.isfinite(weight) and weight > 0):
        raise CallError(
            f"--table {text}: a weight must be a finite number above 0", code="bad_value", key="table"
        )
    return path, weight
