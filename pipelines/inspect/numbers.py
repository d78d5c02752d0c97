"""All numbers of a clip table and its ledger, as plain values that JSON can carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deltalake import DeltaTable

from chronav import listing, storage
from chronav.errors import CallError
from chronav.progress import Bar
from pipelines.inspect import tally
from pipelines.inspect.files import file_numbers
from pipelines.inspect.parts import read_parts
from pipelines.schema import ledger_path
from pipelines.table import RowGroup, data_files, open_table, stored_config, table_exists


@dataclass(frozen=True)
class Overview:
    """The numbers of a table, and its row groups, from which rows can be drawn."""

    numbers: dict[str, Any]
    groups: list[RowGroup]


def overview(path: str, version: int | None = None) -> Overview:
    """Read the small columns of the table at `path`; raises `CallError` where there is no clip table."""
    table = open_table(path, version)
    config = stored_config(table)
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
        "config": config,
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
    found = (file for file in listing.list_files(path) if file.uri.endswith(".parquet"))
    others = (file for file in found if "/_delta_log/" not in file.uri and file.uri not in live)
    return {
        "table": _live_bytes(table),
        **columns,
        "ledger": _live_bytes(ledger) if ledger is not None else 0,
        "unused": sum(file.size for file in others),
    }


def _live_bytes(table: DeltaTable) -> int:
    return sum(table.get_add_actions(flatten=True)["size_bytes"].to_pylist())
