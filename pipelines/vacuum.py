"""Deleting what killed runs have left: data files that no version of a table names, and given-up rebuilds."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import pyarrow.compute as pc
import pyarrow.parquet as pq

from chronav import listing, storage
from chronav.listing import StoredFile
from pipelines.rebuild import STAGE
from pipelines.schema import ledger_path
from pipelines.table import content_number, open_table

SAFE_AGE_S = 24 * 3600.0
"""A file younger than this may be part of a batch that some ingest is about to commit."""

_DATA = re.compile(r"part-[^/]+\.parquet(#\d+)?$")  # "#1": half a file that deltalake was writing
_LOG = "_delta_log/"
_THREADS = 16


def orphans(table: str, now: float | None = None) -> list[StoredFile]:
    """The files of killed runs in a clip table and its ledger, old enough that no ingest can be at them.

    Only files that no version in any log names; old versions of the table stay whole.
    """
    oldest = (time.time() if now is None else now) - SAFE_AGE_S
    folders = [storage.absolute(table), ledger_path(storage.absolute(table))]
    content = content_number(open_table(table))
    return [orphan for folder in folders for orphan in _in_folder(folder, content, oldest)]


def delete(files: Iterable[StoredFile]) -> None:
    """Delete files."""
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(lambda file: storage.remove(file.uri), files))


def summary(files: Sequence[StoredFile]) -> dict[str, int]:
    """How many files these are, and how large together."""
    return {"files": len(files), "bytes": sum(file.size for file in files)}


def _in_folder(folder: str, content: int, oldest: float) -> Iterator[StoredFile]:
    files = list(listing.list_files(folder))
    stages = _given_up(folder, files, content, oldest)
    log = [file for file in files if _LOG in file.uri and _stage(folder, file) not in stages]
    named = _named(log)
    for file in files:
        if file.mtime > oldest or file.uri in named:
            continue
        # Of a given-up rebuild its log and its ledger go with its data.
        if (_DATA.search(file.uri) and _LOG not in file.uri) or _stage(folder, file) in stages:
            yield file


def _given_up(folder: str, files: Iterable[StoredFile], content: int, oldest: float) -> set[str]:
    """The rebuilds that became the table's content, or that nothing was added to for a long time."""
    newest: dict[str, float] = {}
    for file in files:
        stage = _stage(folder, file)
        if stage is not None:
            newest[stage] = max(newest.get(stage, 0.0), file.mtime)
    return {
        stage for stage, mtime in newest.items() if mtime <= oldest or int(stage.split("-")[1]) <= content
    }


def _stage(folder: str, file: StoredFile) -> str | None:
    found = STAGE.match(file.uri.removeprefix(folder + "/"))
    return found.group() if found else None


def _named(log: Iterable[StoredFile]) -> set[str]:
    """Every data file that one of these log files names as added or removed."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return {uri for uris in pool.map(_named_by, log) for uri in uris}


def _named_by(file: StoredFile) -> list[str]:
    folder = file.uri.partition(_LOG)[0]
    data = storage.read_bytes(file.uri) if file.uri.endswith((".json", ".parquet")) else b""
    paths = _in_checkpoint(data) if file.uri.endswith(".parquet") else _in_commit(data)
    return [folder + unquote(path) for path in paths]


def _in_commit(data: bytes) -> Iterator[str]:
    for line in data.splitlines():
        entry = json.loads(line)
        for action in ("add", "remove"):
            if action in entry:
                yield entry[action]["path"]


def _in_checkpoint(data: bytes) -> Iterator[str]:
    with pq.ParquetFile(io.BytesIO(data)) as file:
        table = file.read(columns=["add.path", "remove.path"])
    for actions in table.columns:
        yield from pc.struct_field(actions, "path").drop_null().to_pylist()
