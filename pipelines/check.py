"""Whether an ingest fits the table that it is to extend, and by which config it goes."""

from __future__ import annotations

import json
from typing import Any

from chronav import remote, storage
from chronav.config import validate
from chronav.errors import CallError
from chronav.progress import say
from pipelines.config import CONTENT_KEYS, IngestConfig
from pipelines.schema import CLIP_SCHEMA, ledger_path
from pipelines.table import open_table, stored_config, table_exists


def check_table(table: str, config: IngestConfig, rebuild: bool = False) -> IngestConfig:
    """The config that an ingest into `table` goes by: content keys that `config` does not name are as it was made.

    Raises `CallError` when a file is where `table` or its ledger belongs, or, unless it is a `rebuild`, when `config`
    names a content key with another value or the table has other columns.
    """
    remote.check(table)
    for path in (table, ledger_path(table)):
        if storage.is_file(path):
            raise CallError(f"'{path}' is a file, no clip table", code="bad_table", path=path)
    if not table_exists(table):
        return config
    opened = open_table(table)
    before = stored_config(opened)
    if before is None:
        raise CallError(f"'{table}' is a Delta table, but no clip table", code="bad_table", path=table)
    if not rebuild:
        _check_keys(table, config, before)
        if {column.name for column in opened.schema().fields} != set(CLIP_SCHEMA.names):
            raise CallError(
                f"table '{table}' was made by another version, with other columns; --rebuild replaces its content",
                code="schema_changed",
                path=table,
            )
    named = config.model_dump(include=config.model_fields_set)
    return validate(IngestConfig, {key: before[key] for key in CONTENT_KEYS if key in before} | named)


def say_taken_over(table: str, asked: IngestConfig, used: IngestConfig) -> None:
    """Say which keys are as the table was made, where the defaults are others."""
    now, default = used.content(), asked.content()
    taken = [f"{key}={_text(now[key])}" for key in CONTENT_KEYS if now[key] != default[key]]
    if taken:
        say(f"config keys that this call does not name are as '{table}' was made: {', '.join(taken)}")


def _check_keys(table: str, config: IngestConfig, before: dict[str, Any]) -> None:
    now = config.content()
    # A key that only one of two versions has is as good as named.
    fixed = (config.model_fields_set & now.keys()) | (before.keys() ^ now.keys())
    differing = sorted(key for key in fixed if before.get(key) != now.get(key))
    if not differing:
        return
    details = ", ".join(
        f"{key} ({_text(before.get(key))} there, {_text(now.get(key))} asked)" for key in differing
    )
    named = [key for key in differing if key in config.model_fields_set]
    advice = f"; leave {', '.join(named)} out of the call to go on as it was made" if named else ""
    raise CallError(
        f"table '{table}' was made with another config: {details}{advice}, or take another table; "
        "--rebuild replaces its content",
        code="config_changed",
        key=",".join(differing),
    )


def _text(value: object) -> str:
    """A value as YAML writes it."""
    return value if isinstance(value, str) else json.dumps(value)
