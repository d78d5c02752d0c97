"""What commands share: options of the same meaning, and how a command ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from chronav.outcome import Outcome, run_command

Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="config overrides")]
ConfigFile = Annotated[str | None, typer.Option("--config", help="a YAML file of config keys")]
AsJson = Annotated[bool, typer.Option("--json", help="end stdout with one JSON object: the outcome")]
Annotations = Annotated[
    str | None,
    typer.Option(
        help="folder of the data set's official annotation files; kinetics, vggsound, audioset, esc50: or a csv file"
    ),
]


def parse_split(text: str) -> str:
    """An official split or fold by number, `all` or `folds`."""
    if text in ("all", "folds") or (text.isdigit() and int(text) > 0):
        return text
    raise typer.BadParameter(f"'{text}' is not a number, all or folds")


def finish(
    job: Callable[[], Outcome],
    summary: Callable[[Mapping[str, Any]], str],
    as_json: bool,
    go_on: str = "run the same command again to go on",
) -> None:
    """Run a command's job, print its outcome, and leave with its exit code."""
    code = run_command(job, summary, as_json, go_on)
    raise typer.Exit(code)
