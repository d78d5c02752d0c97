"""Committing batches to the clip table and then to its ledger."""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Callable, Collection, Mapping

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from chronav import storage
from chronav.errors import CallError
from pipelines import ledger as ledgers
from pipelines import transaction
from pipelines.config import IngestConfig
from pipelines.plan import State
from pipelines.recovery import Batch, Entry, pending, state_of, unknown_annotations
from pipelines.result import one_line
from pipelines.rewrite import annotated, without
from pipelines.schema import CLIP_SCHEMA, LEDGER_SCHEMA, ledger_path
from pipelines.sources.base import SourceItem
from pipelines.table import config_key, open_table, read_meta, table_exists

# What came after the last one is read anew with every commit: at deltalake's own 100 that takes most of its time.
_CHECKPOINTS = {"delta.checkpointInterval": "25"}

__all__ = ["Batch", "ClipTable", "count_segments"]


class ClipTable:
    """A clip table and its ledger, open for writing; both are made when they are not there.

    Raises `CallError` where they cannot be made.
    """

    def __init__(self, path: str, config: IngestConfig) -> None:
        self.path = storage.absolute(path)
        self.config = config
        self.clips = self._open(self.path, CLIP_SCHEMA, {config_key(0): json.dumps(config.content())})
        self.ledger = self._open(ledger_path(self.path), LEDGER_SCHEMA, {})
        ledgers.add_columns(self.ledger)

    @staticmethod
    def _open(path: str, schema: pa.Schema, configuration: dict[str, str]) -> DeltaTable:
        if table_exists(path):
            return open_table(path)
        where, options = storage.delta_place(path)
        try:
            storage.make_dirs(path)
            return DeltaTable.create(
                where,
                schema,
                configuration={**configuration, **_CHECKPOINTS},
                storage_options=options,
                raise_if_key_not_exists=False,
            )
        except (OSError, DeltaError) as error:
            message = f"cannot make table '{path}': {one_line(error)}"
            raise CallError(message, code="bad_table", path=path) from None

    def state(self) -> State:
        """What both hold; a ledger of an earlier version is told of the annotations that the clips have."""
        known = ledgers.read_known(self.ledger)
        if hashes := unknown_annotations(known, self.clips):
            ledgers.learn(self.ledger, hashes)
            known = ledgers.with_annotations(known, hashes)
        return state_of(known, self.clips)

    def commit(self, batch: Batch, replaced: Collection[str], new: bool, run_id: str) -> None:
        """Make a batch visible: its clips in place of those of the files `replaced`, then its ledger rows.

        `new`: none of its files is in the ledger yet. Raises `JobError` when another ingest is at the table.
        """

        def actions() -> transaction.Actions:
            added: transaction.Actions = [transaction.add(part) for part in batch.parts]
            if replaced:
                added += without(self.path, transaction.parts_of(self.clips), set(replaced))
            return added

        self._commit(batch, actions, new, run_id)

    def relabel(self, items: Mapping[str, SourceItem], run_id: str) -> None:
        """Give the clips of files, by uri, their annotations in `items`, and the ledger the hashes of these.

        Raises `JobError` when another ingest is at the table.
        """
        hashes = {uri: item.annotations_hash() for uri, item in items.items()}
        batch = Batch(uuid.uuid4().hex, annotated=hashes)
        self._commit(
            batch, lambda: annotated(self.path, transaction.parts_of(self.clips), items), False, run_id
        )

    def _commit(
        self, batch: Batch, actions: Callable[[], transaction.Actions], new: bool, run_id: str
    ) -> None:
        # Even a batch without clips is a commit here: the order of these is what makes ingests take turns.
        entry = self.entry(batch)
        transaction.commit(self.clips, actions, entry.number, entry.record(run_id))
        entry.write(self.ledger, new)
        ledgers.merge_small_files(self.ledger)

    def entry(self, batch: Batch) -> Entry:
        """`batch` as the next one; its number is above that of any that either table has seen."""
        number = 1 + max(transaction.batch_number(self.clips), transaction.batch_number(self.ledger))
        return Entry(self.path, number, datetime.datetime.now(datetime.UTC), batch)

    def catch_up(self) -> bool:
        """Write the last batch to the ledger if a kill came before that; whether it was so."""
        entry = pending(self.path, self.clips, self.ledger)
        if entry is not None:
            entry.write(self.ledger)
        return entry is not None


def count_segments(clips: DeltaTable) -> dict[str, int]:
    """`segments` of a clip table, and `segments_with_sound`."""
    parts = transaction.parts_of(clips)
    if all(part.silent is not None for part in parts):
        rows, silent = sum(part.rows for part in parts), sum(part.silent or 0 for part in parts)
    else:
        column = read_meta(clips, ("audio_valid_end_s",))["audio_valid_end_s"]
        rows, silent = len(column), column.null_count
    return {"segments": rows, "segments_with_sound": rows - silent}
