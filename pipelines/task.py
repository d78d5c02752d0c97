"""What one Ray task does: decode a few files, write their clips as one part file, say what happened."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.config import IngestConfig
from pipelines.guarded import decode_guarded
from pipelines.ledger import LedgerRow, ledger_row
from pipelines.sources.base import SourceItem
from pipelines.writer import Part, PartWriter

_SHARES = 2  # of what is left, for each worker


@dataclass
class Done:
    """What a task did: the part with its clips, a ledger row a file, the files whose content had not changed.

    `media_s`: how long the decoded media play, seconds.
    """

    batch_id: str
    part: Part | None = None
    rows: list[LedgerRow] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    decoded: int = 0
    media_s: float = 0.0


def make_tasks(
    items: Sequence[SourceItem],
    known_sha256: Mapping[str, str | None],
    files_per_task: int,
    files_per_commit: int,
    workers: int = 1,
) -> list[dict[str, str]]:
    """Group files into batches that are committed together, and those into rows for `run_task`.

    `known_sha256`: by uri, the content of files that the ledger has. Where several `workers` take the tasks, in
    this order, the last of them are ever smaller, so that all end at about the same time.
    """
    tasks = []
    for start in range(0, len(items), files_per_commit):
        batch_id = uuid.uuid4().hex
        end = min(start + files_per_commit, len(items))
        while start < end:
            size = min(_size(len(items) - start, files_per_task, workers), end - start)
            files = [[item.as_dict(), known_sha256.get(item.uri)] for item in items[start : start + size]]
            tasks.append({"batch_id": batch_id, "files": json.dumps(files)})
            start += size
    return tasks


def _size(left: int, most: int, workers: int) -> int:
    """How many of the files that are left a task takes: one worker need not wait for others."""
    return most if workers == 1 else min(most, math.ceil(left / (_SHARES * workers)))


def run_task(row: Mapping[str, Any], table: str, config: IngestConfig) -> dict[str, str]:
    """Decode a group of files. Only small text goes in and out; the clips go into a part file of `table`."""
    done = Done(row["batch_id"])
    with PartWriter(table) as writer:
        for values, known_sha256 in json.loads(row["files"]):
            item = SourceItem(**values)
            result = decode_guarded(item, config, known_sha256)
            if result.unchanged:
                done.touched.append(item.uri)
                continue
            stamp = {"batch_id": done.batch_id, "ingested_at": datetime.datetime.now(datetime.UTC)}
            writer.add([clip | stamp for clip in result.rows])
            done.rows.append(ledger_row(item, result, config.content_hash()))
            done.decoded += 1
            done.media_s += sum(clip["duration_s"] for clip in result.rows)
    done.part = writer.part
    return {"done": json.dumps(dataclasses.asdict(done))}


def read_done(row: Mapping[str, Any]) -> Done:
    """The answer of `run_task`."""
    values = json.loads(row["done"])
    part = values.pop("part")
    return Done(part=Part(**part) if part else None, **values)
