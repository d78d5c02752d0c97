"""Services are loaded by name, and only when a command needs them."""

from __future__ import annotations

import importlib
from types import ModuleType

from chronav.errors import CallError


def load(module: str) -> ModuleType:
    """Import `module` of a service; raises `CallError` naming the extra that is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        service = module.partition(".")[0]
        if error.name and error.name.partition(".")[0] == "chronav":
            raise
        extra = "all" if service == "chronav" else service
        raise CallError(
            f"this command needs the package '{error.name}': pip install 'chronav[{extra}]'",
            code="not_installed",
            key=error.name,
        ) from error
