"""`chronav inspect`: what a clip table holds and what became of its files, in numbers and as a page."""

from __future__ import annotations

import json
import tempfile
from typing import Any

from chronav import storage
from chronav.errors import CallError
from chronav.outcome import Outcome
from chronav.tracking import Run
from pipelines.inspect import page
from pipelines.inspect.config import InspectConfig
from pipelines.inspect.numbers import overview
from pipelines.inspect.sample import draw, read_sheets
from pipelines.inspect.text import as_text
from pipelines.result import one_line

_MEDIA_BYTES = 6_000_000  # in a page, before base64 makes four bytes of three; charts and text are small


def inspect(table: str, html: str | None = None, config: InspectConfig | None = None) -> Outcome:
    """The numbers of `table`, and where asked its page at `html`; returns the outcome that `--json` prints.

    Raises `CallError` where there is no clip table, or the page cannot be written.
    """
    if html is None:
        numbers = overview(table).numbers
        return {**numbers, "summary": as_text(numbers)}
    numbers = write_page(table, html, config)
    path = storage.absolute(html)
    return {**numbers, "html": path, "summary": f"{as_text(numbers)}\npage        {path}"}


def write_page(
    table: str, path: str, config: InspectConfig | None = None, version: int | None = None
) -> dict[str, Any]:
    """Write the page of a table (its newest version, or `version`) to `path`; returns the numbers.

    Local paths and URLs alike. Raises `CallError` as `inspect` does.
    """
    chosen = config or InspectConfig()
    found = overview(table, version)
    sheets = read_sheets(draw(found.groups, chosen.samples, chosen.seed), _MEDIA_BYTES)
    try:
        page.write(path, found.numbers, sheets)
    except OSError as error:
        raise CallError(
            f"cannot write the page '{path}': {one_line(error)}", code="bad_path", path=path
        ) from None
    return found.numbers


def log_overview(run: Run, table: str, version: int | None = None) -> None:
    """Store the page and the numbers of a table with a run, as `inspect.html` and `inspect.json`."""
    with tempfile.TemporaryDirectory(prefix="chronav-") as folder:
        numbers = write_page(table, f"{folder}/inspect.html", version=version)
        text = json.dumps(numbers, indent=1, allow_nan=False)
        storage.write_bytes(f"{folder}/inspect.json", text.encode("utf-8"))
        run.artifact(folder)
