"""Hashes of files, made on the cluster before any of them is decoded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from chronav import storage
from pipelines.guarded import limit_s
from pipelines.isolate import Died, Isolated, TimedOut
from pipelines.sources.base import SourceItem
from pipelines.sources.names import real_path

_END = 64 * 2**10
SHORT = 2 * _END
"""Files of at most so many bytes have no fingerprint: their hash costs no more."""

# In a process apart, as decoders are: to read from a store that has gone, or a pipe, may mean to wait for ever.
_READER = Isolated("pipelines.hashing:content_hash")


def make_hash_tasks(
    items: Sequence[SourceItem], whole: Sequence[bool], per_task: int
) -> list[dict[str, str]]:
    """Group files into rows for `hash_task`; `whole`: of each whether its hash is wanted, or its fingerprint."""
    files = [(item.uri, item.size, all_) for item, all_ in zip(items, whole, strict=True)]
    return [
        {"files": json.dumps(files[start : start + per_task])} for start in range(0, len(files), per_task)
    ]


def hash_task(row: Mapping[str, Any], timeout_s: float) -> dict[str, str]:
    """Hashes of a group of files; without those that cannot be read (in time), which decoding will tell why."""
    found = {uri: _read(uri, size, whole, timeout_s) for uri, size, whole in json.loads(row["files"])}
    return {"hashes": json.dumps({uri: digest for uri, digest in found.items() if digest is not None})}


def read_hashes(answer: Mapping[str, Any]) -> dict[str, str]:
    """The answer of `hash_task`: hashes in hexadecimal by uri."""
    hashes: dict[str, str] = json.loads(answer["hashes"])
    return hashes


def content_hash(uri: str, size: int, whole: bool) -> str:
    """The SHA-256 of a file, or its fingerprint: that of its first and last 64 KiB. Raises `OSError`."""
    path = real_path(uri)
    return storage.sha256(path) if whole else hashlib.sha256(storage.ends(path, size, _END)).hexdigest()


def _read(uri: str, size: int, whole: bool, timeout_s: float) -> str | None:
    limit = limit_s(size if whole else 0, timeout_s)
    try:
        digest: str = _READER.call(limit, uri, size, whole)
    except (OSError, TimedOut, Died):
        return None
    return digest
