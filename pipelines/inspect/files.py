"""What the ledger says of the source files: how many ended how, and up to some hundreds of each by name."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from pipelines.inspect.parts import read_parts
from pipelines.schema import LEDGER_SCHEMA, Status

_SCHEMA = pa.schema(
    [
        LEDGER_SCHEMA.field(name).with_nullable(True)
        for name in ("source_uri", "status", "reason", "message", "size", "seconds")
    ]
)
MOST_NAMED = 300
"""Files of one status and reason that are named."""


def file_numbers(ledger: DeltaTable | None) -> dict[str, Any]:
    """`files`, `ok`, `rejected`, `failed` and `reasons` as an ingest counts them, and files by name.

    `findings`: for each status and reason the number of files, and as `examples` uri and message of some,
    `MOST_NAMED` at most.
    """
    counts: Counter[tuple[str, str | None]] = Counter()
    examples: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    source_bytes, seconds = 0, 0.0
    for parts in read_parts(ledger, _SCHEMA) if ledger is not None else ():
        rows = parts.rows
        source_bytes += pc.sum(rows["size"]).as_py() or 0
        seconds += pc.sum(rows["seconds"]).as_py() or 0.0
        found = rows.group_by(["status", "reason"], use_threads=False).aggregate([([], "count_all")])
        for row in found.to_pylist():
            counts[row["status"], row["reason"]] += row["count_all"]
            if row["reason"] is not None:
                kept = examples[row["status"], row["reason"]]
                kept += _some(rows, row["status"], row["reason"], MOST_NAMED - len(kept))
    return _numbers(counts, examples) | {"source_bytes": source_bytes, "decode_seconds": seconds}


def _numbers(
    counts: Counter[tuple[str, str | None]], examples: dict[tuple[str, str], list[dict[str, str]]]
) -> dict[str, Any]:
    statuses: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for (status, reason), count in counts.items():
        statuses[status] += count
        if reason is not None:
            reasons[reason] += count
    findings = [
        {"status": status, "reason": reason, "files": counts[status, reason], "examples": _sorted(rows)}
        for (status, reason), rows in examples.items()
    ]
    return {
        "files": statuses.total(),
        **{status.value: statuses[status.value] for status in Status},
        "reasons": dict(sorted(reasons.items())),
        "findings": sorted(findings, key=lambda row: (-row["files"], row["reason"], row["status"])),
    }


def _sorted(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(rows, key=lambda row: row["source_uri"])


def _some(rows: pa.Table, status: str, reason: str, count: int) -> list[dict[str, str]]:
    wanted = pc.and_(pc.equal(rows["status"], status), pc.equal(rows["reason"], reason))
    some = rows.filter(wanted).slice(0, count) if count > 0 else rows.slice(0, 0)
    return some.select(["source_uri", "message"]).to_pylist()
