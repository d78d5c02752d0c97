"""Merging small data files of a clip table; the media go from file to file as they are."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence

import pyarrow.parquet as pq

from chronav import storage
from pipelines import transaction
from pipelines.commit import ClipTable
from pipelines.schema import CLIP_SCHEMA
from pipelines.writer import Part, PartWriter

SMALL_BYTES = 128 * 2**20  # a file below this is merged with others
_ENOUGH_BYTES = 256 * 2**20  # a merged file gets no more when it has this: it ends below the sum of both


def choose(parts: Iterable[Part], all_small: bool) -> list[list[Part]]:
    """Groups of small files to be merged into one each, in the order of `parts`.

    Without `all_small` the last files stay as they are until they would make a file that is not small.
    """
    groups: list[list[Part]] = []
    size = _ENOUGH_BYTES  # of the last group
    for part in parts:
        if part.size >= SMALL_BYTES:
            continue
        if size >= _ENOUGH_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(part)
        size += part.size
    if groups and size < SMALL_BYTES and not all_small:
        groups.pop()
    return [group for group in groups if len(group) > 1]


def as_task(group: Sequence[Part]) -> dict[str, str]:
    """A group as a row for `merge_task`."""
    return {"group": json.dumps([dataclasses.asdict(part) for part in group])}


def merge_task(row: Mapping[str, str], table: str) -> dict[str, str]:
    """Merge the files of a group into one that no commit names yet, holding two row groups at a time."""
    group = [Part(**values) for values in json.loads(row["group"])]
    fs, root = storage.arrow_fs(table)
    with PartWriter(table) as writer:
        for part in group:
            with pq.ParquetFile(storage.join(root, part.name), filesystem=fs) as file:
                for index in range(file.num_row_groups):
                    writer.add_table(file.read_row_group(index).cast(CLIP_SCHEMA))
    assert writer.part is not None
    return {"group": row["group"], "merged": json.dumps(dataclasses.asdict(writer.part))}


class _Gone(Exception):
    """Files of a group are not in the table any more."""


def commit_merged(table: ClipTable, answer: Mapping[str, str]) -> bool:
    """Put a merged file in the place of its group, unless a foreign writer has taken files of it; whether it was so.

    Raises `JobError` when another ingest is at the table.
    """
    group = [Part(**values) for values in json.loads(answer["group"])]
    merged = Part(**json.loads(answer["merged"]))

    def actions() -> transaction.Actions:
        if not {part.name for part in group} <= {part.name for part in transaction.parts_of(table.clips)}:
            raise _Gone
        removed = [transaction.remove(part, data_change=False) for part in group]
        return [*removed, transaction.add(merged, data_change=False)]

    try:
        # No batch of its own: the ledger has nothing to be told.
        transaction.commit(table.clips, actions, transaction.batch_number(table.clips))
    except _Gone:
        return False
    return True
