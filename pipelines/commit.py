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
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, RemoveAction

from chronav import storage
from chronav.errors import CallError
from pipelines import ledger as ledgers
from pipelines.config import IngestConfig
from pipelines.result import one_line
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


def check_table(table: str, config: IngestConfig) -> None:
    """Raise `CallError` when a file is where `table` or its ledger belongs, or `table` has another config.

    Another config is one with other content keys.
    """
    for path in (table, ledger_path(table)):
        if storage.is_file(path):
            raise CallError(f"'{path}' is a file, no clip table", code="bad_table", path=path)
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
    """A clip table and its ledger, open for writing; both are made when they are not there.

    Raises `CallError` where they cannot be made.
    """

    def __init__(self, path: str, config: IngestConfig) -> None:
        self.path = storage.absolute(path)
        self.config = config
        self.clips = self._open(self.path, CLIP_SCHEMA, {_CONFIG_KEY: json.dumps(config.content())})
        self.ledger = self._open(ledger_path(self.path), LEDGER_SCHEMA, {})

    @staticmethod
    def _open(path: str, schema: pa.Schema, configuration: dict[str, str]) -> DeltaTable:
        if table_exists(path):
            return open_table(path)
        try:
            storage.make_dirs(path)
            return DeltaTable.create(
                path, schema, configuration=configuration or None, raise_if_key_not_exists=False
            )
        except (OSError, DeltaError) as error:
            message = f"cannot make table '{path}': {one_line(error)}"
            raise CallError(message, code="bad_table", path=path) from None

    def owners(self) -> dict[str, str]:
        """Of every video that has clips: its id -> the uri of its file."""
        rows = read_meta(self.clips, ("video_id", "source_uri"))
        return dict(zip(rows["video_id"].to_pylist(), rows["source_uri"].to_pylist(), strict=True))

    def commit(self, batch: Batch, replaced: set[str], new: bool, run_id: str) -> None:
        """Make a batch visible: its clips in place of those of the files `replaced`, then its ledger rows.

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

    def _without(self, uris: set[str]) -> list[AddAction | RemoveAction]:
        """Actions that take the rows of some source files out of the parts that hold them."""
        actions: list[AddAction | RemoveAction] = []
        files = self.clips.get_add_actions(flatten=True)
        for name, size in zip(files["path"].to_pylist(), files["size_bytes"].to_pylist(), strict=True):
            kept = self._rewrite(name, uris)
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

    def _rewrite(self, name: str, uris: set[str]) -> list[Part] | None:
        """The part file `name` without some source files, row group by row group; None if it has none."""
        fs, path = storage.arrow_fs(storage.join(self.path, name))
        with pq.ParquetFile(path, filesystem=fs) as file:
            held = file.read(columns=["source_uri"])["source_uri"].to_pylist()
            if uris.isdisjoint(held):
                return None
            with PartWriter(self.path) as writer:
                for index in range(file.num_row_groups):
                    rows = file.read_row_group(index)
                    gone = pc.is_in(rows["source_uri"], pa.array(sorted(uris)))
                    rest = rows.filter(pc.invert(gone)).cast(CLIP_SCHEMA)
                    if len(rest):
                        writer.add_table(rest)
        return [writer.part] if writer.part else []


def count_segments(table: DeltaTable) -> dict[str, int]:
    """`segments` of a clip table, and `segments_with_sound`."""
    column = read_meta(table, ("audio_valid_end_s",))["audio_valid_end_s"]
    return {"segments": len(column), "segments_with_sound": len(column) - column.null_count}


def _add(part: Part) -> AddAction:
    stats = json.dumps({"numRecords": part.rows})
    return AddAction(part.name, part.size, {}, int(time.time() * 1000), True, stats)
