"""What a call of `chronav ingest` asks for beyond bringing the table up to date."""

from __future__ import annotations

from dataclasses import dataclass

from chronav.errors import CallError
from pipelines.schema import Reason, Status

_RETRIED = (Status.FAILED.value, Status.REJECTED.value, *(reason.value for reason in Reason))


@dataclass(frozen=True)
class Options:
    """The options of the command line.

    `prune`: drop what removed files have in table and ledger. `retry`: decode again files of these statuses or
    reason codes. `dry_run`: say what would be done, and do nothing. `rebuild`: replace all content of the table.
    `limit`: new files to take in this call, at most. `compact`: merge small data files. `vacuum`: delete files of
    killed runs.
    """

    prune: bool = False
    retry: frozenset[str] = frozenset()
    dry_run: bool = False
    rebuild: bool = False
    limit: int | None = None
    compact: bool = False
    vacuum: bool = False

    def __post_init__(self) -> None:
        unknown = sorted(self.retry - set(_RETRIED))
        if unknown:
            raise CallError(
                f"--retry {unknown[0]}: no status or reason of a file (known: {', '.join(_RETRIED)})",
                code="bad_value",
                key="--retry",
            )
        if self.limit is not None and self.limit < 1:
            raise CallError(f"--limit must be at least 1, got {self.limit}", code="bad_value", key="--limit")
