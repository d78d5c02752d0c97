"""A chronav call, rewritten so that it means the same on another machine: absolute paths, one shell line."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Sequence
from typing import Any

import typer
from typer.main import get_command

from chronav import storage
from chronav.errors import CallError
from chronav.services import load

INPUT_PATHS = frozenset({"source", "annotations", "config", "data", "export", "against", "file"})
"""Parameters of commands that name something to read: `--working-dir` may ship it."""
OUTPUT_PATHS = frozenset({"table", "out", "probe", "html"})
"""Parameters of commands that name something written, or a table, which is never shipped."""
NAMES_OR_PATHS = frozenset({"grid", "runs"})
"""Parameters that take names as well; what has a dot or a slash in it is a file to read."""
CONFIG_PATHS = {
    "evaluate": ("evaluation.config", "EvaluateConfig", ("out", "cache")),
    "embed": ("evaluation.config", "EmbedConfig", ("cache",)),
}
"""Commands whose config names by default where they write: the module and class of the config, and its keys."""


def portable(command: Sequence[str], working_dir: str | None = None) -> list[str]:
    """The same call with every path absolute, as the job starts in a folder of the cluster's choice.

    URLs stay as they are. Output folders that a config names by default are added as overrides, unless the
    call brings a config file. With `working_dir`, inputs inside it become relative to it: the job starts in
    its copy. Whether a path exists is for the job to say, as it may exist on the cluster alone.
    Raises `CallError` where the local command line would: no such command, option or missing argument.
    """
    if not command:
        raise CallError("no command to submit: chronav submit COMMAND ... --address URL", code="usage")
    name, *arguments = command
    commands: dict[str, Any] = get_command(_app()).commands  # type: ignore[attr-defined]
    if name not in commands or name == "submit":
        known = ", ".join(sorted(set(commands) - {"submit"}))
        raise CallError(f"'{name}' is not a command that can be submitted ({known})", code="usage", key=name)
    try:
        context = commands[name].make_context(name, arguments)
    except typer.TyperException as error:
        raise CallError(f"{name}: {error.format_message()}", code="usage") from None
    options: list[str] = []
    positional: list[str] = []
    for parameter in commands[name].params:
        values = _values(parameter, context, working_dir)
        if parameter.param_type_name == "argument":
            positional += values
        elif parameter.is_flag:
            options += [parameter.opts[0]] * len(values)
        else:
            options += [part for value in values for part in (parameter.opts[0], value)]
    return [name, *options, *positional, *_default_paths(name, context.params)]


def shell_line(command: Sequence[str], default_tracking_uri: str | None = None) -> str:
    """The job's entrypoint. `default_tracking_uri` is used where the cluster has no MLflow store of its own."""
    line = shlex.join(["python", "-m", "chronav", *command])
    if default_tracking_uri is None:
        return line
    return f"MLFLOW_TRACKING_URI=${{MLFLOW_TRACKING_URI:-{shlex.quote(default_tracking_uri)}}} {line}"


def _app() -> typer.Typer:
    from chronav.cli import app  # the command line loads this module: not at import

    return app


def _values(parameter: Any, context: Any, working_dir: str | None) -> list[str]:
    """What the call gave a parameter, as text; nothing where it left the default, unless that is a path."""
    value = context.params[parameter.name]
    is_path = parameter.name in INPUT_PATHS | OUTPUT_PATHS | NAMES_OR_PATHS
    given = context.get_parameter_source(parameter.name).name != "DEFAULT"
    if value is None or not (given or is_path):
        return []
    values = [str(v) for v in value] if isinstance(value, list | tuple) else [str(value)]
    if is_path:
        shipped = None if parameter.name in OUTPUT_PATHS else working_dir
        named = parameter.name in NAMES_OR_PATHS
        return [v if named and not set("./") & set(v) else _portable_path(v, shipped) for v in values]
    return values


def _default_paths(name: str, params: dict[str, Any]) -> list[str]:
    """Overrides for the paths of `CONFIG_PATHS` that the call has left to their defaults."""
    if name not in CONFIG_PATHS or params["config"] is not None:
        return []
    module, cls, keys = CONFIG_PATHS[name]
    fields = getattr(load(module), cls).model_fields
    given = {text.partition("=")[0] for text in params["overrides"] or ()}
    return [f"{key}={_yaml(storage.absolute(fields[key].default))}" for key in keys if key not in given]


def _yaml(path: str) -> str:
    """A local path as an override's value, which is YAML: quoted where it must be."""
    return path if re.fullmatch(r"[\w./-]+", path) else json.dumps(path, ensure_ascii=False)


def _portable_path(path: str, working_dir: str | None) -> str:
    full = storage.absolute(path)
    if working_dir is None or storage.is_url(path):
        return full
    root = storage.absolute(working_dir)
    inside = os.path.exists(full) and os.path.commonpath([full, root]) == root
    return os.path.relpath(full, root) if inside else full
