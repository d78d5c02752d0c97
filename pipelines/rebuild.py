"""Replacing all content of a table: the new content is made aside and takes its place in one commit.

Aside is a clip table of its own in a folder of the table, made as any other by many commits, so that a killed
rebuild goes on where it stopped. No version of the table holds rows of two configs, and until that one commit the
old content is what there is to read.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import replace

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from chronav import storage
from pipelines import transaction
from pipelines.commit import ClipTable
from pipelines.config import IngestConfig
from pipelines.recovery import Batch
from pipelines.schema import ledger_path
from pipelines.table import config_key, content_number, table_exists

STAGE = re.compile(r"content-(\d+)-[0-9a-f]+(?=\.ledger/|/)")
"""The folder of new content in a table's folder; its number is that of the content that it is to be."""


def stage_path(clips: DeltaTable, table: str, config: IngestConfig) -> str:
    """Where the next content of `table`, whose clips are `clips`, is made aside."""
    return _aside(table, content_number(clips) + 1, config)


def open_stage(table: ClipTable) -> ClipTable:
    """The table aside for the next content of `table`, with what a killed rebuild of that config has left."""
    return ClipTable(stage_path(table.clips, table.path, table.config), table.config)


def promote(stage: ClipTable, table: ClipTable, run_id: str) -> None:
    """Put the content of `stage` in the place of all that `table` and its ledger have.

    Raises `JobError` when another ingest is at the table.
    """
    content = content_number(table.clips) + 1
    folder = stage.path.removeprefix(f"{table.path}/")
    parts = [replace(part, name=f"{folder}/{part.name}") for part in transaction.parts_of(stage.clips)]
    # The property names the content number, so that it holds from the commit of that content on and no sooner.
    setting = {config_key(content): json.dumps(table.config.content())}
    try:
        table.clips.alter.set_table_properties(setting, raise_if_not_exists=False)
    except CommitFailedError as error:
        raise transaction.taken_over(table.clips) from error
    table.clips.update_incremental()
    entry = table.entry(Batch(uuid.uuid4().hex, content=folder))
    transaction.commit(
        table.clips,
        lambda: [transaction.add(part) for part in parts],
        entry.number,
        entry.record(run_id),
        content,
    )
    entry.write(table.ledger)
    tidy(table)


def tidy(table: ClipTable) -> bool:
    """Delete the log and the ledger aside of what has become the table's content; whether there still was one.

    Then the ingest that put it in place was killed before its end.
    """
    aside = _aside(table.path, content_number(table.clips), table.config)
    if not table_exists(ledger_path(aside)):
        return False
    storage.remove(storage.join(aside, "_delta_log"))
    storage.remove(ledger_path(aside))
    return True


def _aside(table: str, content: int, config: IngestConfig) -> str:
    return storage.join(table, f"content-{content}-{config.content_hash()}")
