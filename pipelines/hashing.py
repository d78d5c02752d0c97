"""Hashes of files, made on the cluster before any of them is decoded."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from chronav import storage
from pipelines.sources.names import real_path


def make_hash_tasks(uris: Sequence[str], per_task: int) -> list[dict[str, str]]:
    """Group files into rows for `hash_task`."""
    return [{"uris": json.dumps(uris[start : start + per_task])} for start in range(0, len(uris), per_task)]


def hash_task(row: Mapping[str, Any]) -> dict[str, str]:
    """The contents of a group of files; without those that cannot be read, which decoding will tell why."""
    return {"sha256": json.dumps({uri: digest for uri in json.loads(row["uris"]) if (digest := _hash(uri))})}


def read_hashes(answer: Mapping[str, Any]) -> dict[str, str]:
    """The answer of `hash_task`: SHA-256 in hexadecimal by uri."""
    hashes: dict[str, str] = json.loads(answer["sha256"])
    return hashes


def _hash(uri: str) -> str | None:
    try:
        return storage.sha256(real_path(uri))
    except OSError:
        return None
