"""Which code a kept result was measured by: studies measure again when it has changed."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import evaluation
import trainer

# What only shows results, or trains ablations.
_NOT_MEASURING = {"ablate", "pages", "reference", "templates"}


@cache
def measures_digest() -> str:
    """Names the present code of `evaluation/`, but for its pages, and of `trainer/`, whose networks it uses."""
    digest = hashlib.sha256()
    for package in (evaluation, trainer):
        assert package.__file__ is not None
        root = Path(package.__file__).parent
        for file in sorted(root.rglob("*.py")):
            inside = file.relative_to(root)
            if inside.parts[0] not in _NOT_MEASURING:
                digest.update(f"{inside}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]
