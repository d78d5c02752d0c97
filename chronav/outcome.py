"""What a command says when it ends: lines for people, one JSON object for machines, an exit code."""

from __future__ import annotations

import json
import math
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from chronav.errors import ChronavError, Stopped

Outcome = dict[str, Any]


def run_command(
    job: Callable[[], Outcome],
    summary: Callable[[Mapping[str, Any]], str],
    as_json: bool,
    go_on: str = "run the same command again to go on",
) -> int:
    """Run a job, report its outcome on stdout and return the exit code (0, 1, 2; 130 for Ctrl-C, 143 for SIGTERM).

    `go_on` is what to tell a user who interrupted it.
    """
    try:
        outcome = job()
    except ChronavError as error:
        return report_error(_as_raised(error), as_json)
    except KeyboardInterrupt as stop:
        message = f"interrupted; state is safe, {go_on}"
        exit_code = stop.exit_code if isinstance(stop, Stopped) else 130
        return _fail({"code": "interrupted", "message": message}, as_json, exit_code)
    except Exception as error:
        traceback.print_exc()
        message = f"{type(error).__name__}: {error}"
        return _fail({"code": "unexpected", "message": message}, as_json, 1)
    if outcome.get("error"):
        _say_error(outcome["error"]["message"])
    else:
        print(summary(outcome), flush=True)
    if as_json:
        _print_json(outcome)
    return int(outcome.get("exit_code") or 0)


def report_error(error: ChronavError, as_json: bool) -> int:
    """One line on stderr (and the `error` object on stdout); returns the exit code."""
    return _fail(error.as_dict(), as_json, error.exit_code)


def _as_raised(error: ChronavError) -> ChronavError:
    """An error that came out of a Ray task prints as its traceback; its cause prints as raised."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, ChronavError) else error


def _fail(error: dict[str, str], as_json: bool, exit_code: int) -> int:
    _say_error(error["message"])
    if as_json:
        _print_json({"error": error})
    return exit_code


def _say_error(message: str) -> None:
    print(f"chronav: {' '.join(message.split())}", file=sys.stderr, flush=True)


def _print_json(outcome: Mapping[str, Any]) -> None:
    print(json.dumps(_plain(outcome), allow_nan=False), flush=True)


def _plain(value: Any) -> Any:
    """What JSON can hold: numpy scalars as numbers, a number that is not finite as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):  # numpy and torch scalars
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
