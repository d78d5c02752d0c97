"""Made-up trees: for a listing only names, sizes and times of files matter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def write() -> Callable[..., Path]:
    """Writes a text to a file, and makes the folders above it."""

    def make(path: Path, text: str = "x") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return path

    return make
