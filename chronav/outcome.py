"""What a command says when it ends: lines for people, one JSON object for machines, an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from chronav.errors import ChronavError

Outcome = dict[str, Any]


def run_command(
    job: Callable[[], Outcome], summary: Callable[[Mapping[str, Any]], str], as_json: bool
) -> int:
    """Run a job, report its outcome on stdout and return the exit code (0, 1, 2, or 130 for Ctrl-C)."""
    try:
        outcome = job()
    except ChronavError as error:
        return report_error(error, as_json)
    except KeyboardInterrupt:
        print("chronav: interrupted; state is safe, run the same command again to go on", file=sys.stderr)
        return 130
    text = summary(outcome)
    if text:
        print(text, flush=True)
    if as_json:
        print(json.dumps(outcome, default=str), flush=True)
    return int(outcome.get("exit_code") or 0)


def report_error(error: ChronavError, as_json: bool) -> int:
    """One line on stderr (and the `error` object on stdout); returns the exit code."""
    line = " ".join(str(error).split())
    print(f"chronav: {line}", file=sys.stderr, flush=True)
    if as_json:
        print(json.dumps({"error": error.as_dict()}), flush=True)
    return error.exit_code
