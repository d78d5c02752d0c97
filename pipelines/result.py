"""What became of a media file, as a value that goes into the ledger."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from pipelines.schema import Reason, Status

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class BadMedia(Exception):
    """A source file that gives no clips: its ledger row says `status`, `reason` and the message."""

    def __init__(self, status: Status, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


@dataclass
class FileResult:
    """What became of a file. `rows`: its clips; `unchanged`: its content is as known, nothing was decoded;
    `picture_hash`: the text of its `Signature`, by which near duplicates are found.
    """

    status: Status
    sha256: str | None = None
    reason: Reason | None = None
    message: str | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    unchanged: bool = False
    picture_hash: str | None = None
    seconds: float = 0.0


def one_line(error: BaseException, limit: int = 500) -> str:
    """An exception as one line of text; system errors without their number and path, deltalake's without colours."""
    text = _COLOUR.sub("", getattr(error, "strerror", None) or str(error))
    return " ".join(text.split())[:limit] or type(error).__name__
