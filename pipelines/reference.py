"""Writes the tables of docs/pipelines.md that the code knows: `python -m pipelines.reference docs/pipelines.md`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import NoneType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from pipelines.config import CONTENT_KEYS, IngestConfig

_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def config_table() -> str:
    """Every key of an ingest as rows of a Markdown table; `stored`: it cannot change within a table."""
    lines = ["| key | default | range | stored | meaning |", "|---|---|---|---|---|"]
    for name, field in IngestConfig.model_fields.items():
        default = "none" if field.default is None else str(field.default).lower()
        stored = "yes" if name in CONTENT_KEYS else ""
        meaning = (field.description or "").replace("|", r"\|")
        lines.append(f"| `{name}` | {default} | {_range(field)} | {stored} | {meaning} |")
    return "\n".join(lines)


def filled(page: str) -> str:
    """A page with its generated block `<!-- config -->` … `<!-- /config -->` as the code now says."""
    start, end = "<!-- config -->", "<!-- /config -->"
    block = f"{start}\n{config_table()}\n{end}"
    return re.sub(f"{start}.*?{end}", lambda _: block, page, count=1, flags=re.DOTALL)


def _range(field: FieldInfo) -> str:
    bounds = [
        f"{sign} {getattr(limit, name):g}"
        for limit in field.metadata
        for name, sign in _SIGNS.items()
        if getattr(limit, name, None) is not None
    ]
    return ", ".join(bounds) or _kind(field.annotation)


def _kind(kind: Any) -> str:
    """What values a key without bounds takes."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is Union or NoneType in arguments:
        return " or ".join(_kind(one) for one in arguments)
    return {bool: "true, false", NoneType: "none", str: "text", int: "whole number", float: "number"}.get(
        kind, str(kind)
    )


def main(path: str) -> None:
    """Bring a page up to date."""
    file = Path(path)
    file.write_text(filled(file.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
