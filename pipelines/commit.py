"""Committing batches to the clip table and then to its ledger, and catching up after a kill between the two."""

from __future__ import annotations

import datetime
import json
import time
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable
from deltalake.transaction import AddAction, RemoveAction

from chronav import storage
from chronav.errors import CallError
from pipelines import ledger as ledgers
from pipelines.config import IngestConfig
from pipelines.schema import CLIP_SCHEMA, LEDGER_SCHEMA, ledger_path
from pipelines.table import open_table, read_meta, table_exists
from pipelines.writer import Part, PartWriter

_CONFIG_KEY = "chronav.ingest_config"
_HISTORY = 100  # commits looked through for the last batch: maintenance may have come after it


@dataclass
class Batch:
    """Files that are committed together: the parts that hold their clips, and their ledger rows."""

    batch_id: str
    parts: list[Part] = field(default_factory=list)
    rows: list[ledgers.LedgerRow] = field(default_factory=list)


def check_config(table: str, config: IngestConfig) -> None:
    """Raise `CallError` when `table` exists and was made with other content keys than `config` has."""
    if not table_exists(table):
        return
    stored = open_table(table).metadata().configuration.get(_CONFIG_KEY)
    if stored is None:
        raise CallError(f"'{table}' is a Delta table, but no clip table", code="bad_table", path=table)
    before, now = json.loads(stored), config.content()
    differing = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if differing:
        details = ", ".join(f"{key} ({before.get(key)} there, {now.get(key)} asked)" for key in differing)
        raise CallError(
            f"table '{table}' was made with another config: {details}",
            code="config_changed",
            key=",".join(differing),
        )


class ClipTable:
    """A clip table and its ledger, open for writing; both are made when they are not there."""

    def __init__(self, path: str, config: IngestConfig) -> None:
        self.path = storage.absolute(path)
        self.config = config
        self.clips = self._open(self.path, CLIP_SCHEMA, {_CONFIG_KEY: json.dumps(config.content())})
        self.ledger = self._open(ledger_path(self.path), LEDGER_SCHEMA, {})

    @staticmethod
    def _open(path: str, schema: pa.Schema, configuration: dict[str, str]) -> DeltaTable:
        if table_exists(path):
            return open_table(path)
        return DeltaTable.create(
            path, schema, configuration=configuration or None, raise_if_key_not_exists=False
        )

    def video_ids(self) -> set[str]:
        """The ids of the videos that have clips."""
        return set(read_meta(self.clips, ("video_id",))["video_id"].to_pylist())

    def commit(self, batch: Batch, replaced: set[str], new: bool, run_id: str) -> None:
        """Make a batch visible: its clips in place of those of the videos `replaced`, then its ledger rows.

        `new`: none of its files is in the ledger yet.
        """
        at = datetime.datetime.now(datetime.UTC)
        actions: list[AddAction | RemoveAction] = [_add(part) for part in batch.parts]
        if replaced:
            actions += self._without(replaced)
        record = {
            "batch_id": batch.batch_id,
            "ledger": json.dumps(batch.rows),
            "at": at.isoformat(),
            "mlflow_run_id": run_id,
        }
        self.clips.create_write_transaction(
            actions, "append", CLIP_SCHEMA, commit_properties=CommitProperties(custom_metadata=record)
        )
        self.clips.update_incremental()
        ledgers.put(self.ledger, batch.rows, batch.batch_id, at, new)

    def catch_up(self) -> int:
        """Write the ledger rows of the last batch if a kill came before them; how many there were."""
        last = next((entry for entry in self.clips.history(_HISTORY) if "batch_id" in entry), None)
        if last is None:
            return 0
        known = read_meta(self.ledger, ("batch_id",))["batch_id"].to_pylist()
        if last["batch_id"] in known:
            return 0
        rows = json.loads(last["ledger"])
        at = datetime.datetime.fromisoformat(last["at"])
        ledgers.put(self.ledger, rows, last["batch_id"], at, new=False)
        return len(rows)

    def _without(self, video_ids: set[str]) -> list[AddAction | RemoveAction]:
        """Actions that take the rows of some videos out of the parts that hold them."""
        actions: list[AddAction | RemoveAction] = []
        files = self.clips.get_add_actions(flatten=True)
        for name, size in zip(files["path"].to_pylist(), files["size_bytes"].to_pylist(), strict=True):
            kept = self._rewrite(name, video_ids)
            if kept is None:
                continue
            now = int(time.time() * 1000)
            actions.append(
                RemoveAction(
                    path=name, size=size, deletion_timestamp=now, data_change=True, partition_values={}
                )
            )
            actions += [_add(part) for part in kept]
        return actions

    def _rewrite(self, name: str, video_ids: set[str]) -> list[Part] | None:
        """The part file `name` without some videos, row group by row group; None when it has none of them."""
        fs, path = storage.arrow_fs(storage.join(self.path, name))
        with pq.ParquetFile(path, filesystem=fs) as file:
            held = file.read(columns=["video_id"])["video_id"].to_pylist()
            if video_ids.isdisjoint(held):
                return None
            with PartWriter(self.path) as writer:
                for index in range(file.num_row_groups):
                    rows = file.read_row_group(index)
                    gone = pc.is_in(rows["video_id"], pa.array(sorted(video_ids)))
                    rest = rows.filter(pc.invert(gone)).cast(CLIP_SCHEMA)
                    if len(rest):
                        writer.add_table(rest)
        return [writer.part] if writer.part else []


def with_sound(table: DeltaTable) -> int:
    """How many segments have sound."""
    column = read_meta(table, ("audio_valid_end_s",))["audio_valid_end_s"]
    return len(column) - column.null_count


def _add(part: Part) -> AddAction:
    stats = json.dumps({"numRecords": part.rows})
    return AddAction(part.name, part.size, {}, int(time.time() * 1000), True, stats)
