"""All numbers of a clip table and its ledger, as plain values that JSON can carry."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from deltalake import DeltaTable

from chronav import storage
from chronav.errors import CallError
from chronav.progress import Bar
from pipelines.inspect import tally
from pipelines.inspect.files import file_numbers
from pipelines.inspect.parts import read_parts
from pipelines.schema import CONFIG_KEY, ledger_path
from pipelines.table import RowGroup, data_files, open_table, table_exists


@dataclass(frozen=True)
class Overview:
    """The numbers of a table, and its row groups, from which rows can be drawn."""

    numbers: dict[str, Any]
    groups: list[RowGroup]


def overview(path: str, version: int | None = None) -> Overview:
    """Read the small columns of the table at `path`; raises `CallError` where there is no clip table."""
    table = open_table(path, version)
    config = table.metadata().configuration.get(CONFIG_KEY)
    if config is None:
        raise CallError(f"'{path}' is a Delta table, but no clip table", code="bad_table", path=path)
    beside = ledger_path(path)
    ledger = open_table(beside) if table_exists(beside) else None
    counted = tally.Tally()
    files = len(table.file_uris())
    with Bar("inspect", files, "data files") as bar:
        done = 0
        for parts in read_parts(table, tally.SCHEMA):
            counted.add(parts)
            done += parts.files
            bar.update(done)
    numbers = {
        "table": storage.absolute(path),
        "table_version": table.version(),
        "ledger_version": ledger.version() if ledger is not None else None,
        "config": json.loads(config),
        **file_numbers(ledger),
        **counted.numbers(),
        "data_files": files,
        "row_groups": len(counted.groups),
    }
    numbers["bytes"] = _bytes(path, table, ledger, numbers.pop("column_bytes"))
    return Overview(numbers, counted.groups)


def _bytes(
    path: str, table: DeltaTable, ledger: DeltaTable | None, columns: dict[str, int]
) -> dict[str, int]:
    """Sizes on disk. `unused`: of data files that this version does not name, left by earlier ones or by a kill."""
    live = set(data_files(table))
    log = storage.join(storage.absolute(path), "_delta_log") + "/"
    found = (file for file in storage.list_files(path) if not file.uri.startswith(log))
    return {
        "table": _live_bytes(table),
        **columns,
        "ledger": _live_bytes(ledger) if ledger is not None else 0,
        "unused": sum(file.size for file in found if file.uri not in live),
    }


def _live_bytes(table: DeltaTable) -> int:
    return sum(table.get_add_actions(flatten=True)["size_bytes"].to_pylist())
