"""Where an export lies, told without opening it: nothing heavy is imported to say that there is none."""

from __future__ import annotations

from chronav import storage
from chronav.errors import CallError

CONFIG = "config.json"
"""Written last: a folder with it holds a whole export."""


def require_export(path: str) -> str:
    """The config file of the export in the folder `path`; raises `CallError` where there is none."""
    file = storage.join(path, CONFIG)
    if not storage.is_file(file):
        inside = storage.join(path, "export")
        hint = f"; there is one at '{inside}'" if storage.is_file(storage.join(inside, CONFIG)) else ""
        raise CallError(f"there is no export at '{path}'{hint}", code="missing_export", path=path)
    return file
