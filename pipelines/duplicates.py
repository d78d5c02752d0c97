"""Exact duplicates: files whose content is that of another file, whatever their names and ids are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipelines.schema import Status


def content_twins(rows: Iterable[Mapping[str, Any]], owners: Mapping[str, str]) -> dict[str, str]:
    """Which files of a batch are copies: uri -> uri of the file that has the clips of their content.

    `rows`: the ledger rows of the batch, of which the first to have a content keeps it. `owners`: sha256 -> uri of
    the files that have clips in the table; what a file of the batch had before is free.
    """
    rows = sorted(rows, key=lambda row: row["source_uri"])
    uris = {row["source_uri"] for row in rows}
    taken = {sha256: uri for sha256, uri in owners.items() if uri not in uris}
    twins = {}
    for row in rows:
        if row["status"] != Status.OK or row["source_sha256"] is None:
            continue
        owner = taken.setdefault(row["source_sha256"], row["source_uri"])
        if owner != row["source_uri"]:
            twins[row["source_uri"]] = owner
    return twins
