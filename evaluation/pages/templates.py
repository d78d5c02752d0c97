"""How the templates of this package write numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import Environment

from chronav import page
from evaluation.metrics import LEAST_OWNERS


def templates() -> Environment:
    """The templates of evaluations with their filters."""
    made = page.environment("evaluation")
    filters: dict[str, Callable[..., Any]] = {
        "flac": lambda data: page.data_uri(data, "audio/flac"),
        "share": lambda value: f"{value:.3f}",
        "signed": lambda value: f"{value:+.3f}",
        "p_value": lambda p: "< 0.001" if p < 0.001 else f"= {p:.3f}",
        "percent": lambda value: f"{100 * value:.0f}\N{NO-BREAK SPACE}%",
        "sentence": lambda text: f"{text[:1].upper()}{text[1:]}.".replace(" %", "\N{NO-BREAK SPACE}%"),
        "count": lambda number: f"{number:,}",
    }
    made.filters |= filters
    made.globals["least_groups"] = LEAST_OWNERS
    return made
