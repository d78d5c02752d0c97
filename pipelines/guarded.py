"""`decode_file` in a process of its own: a decoder that crashes or hangs costs the one file that it was given."""

from __future__ import annotations

import math
import time

from pipelines.config import IngestConfig
from pipelines.isolate import Died, Isolated, TimedOut
from pipelines.result import FileResult, one_line
from pipelines.schema import Reason, Status
from pipelines.sources.base import SourceItem

# By name, so that this process does not load the decoders.
_DECODER = Isolated("pipelines.decode:decode_file")
_BYTES_A_TIMEOUT = 16 * 2**20


def decode_guarded(item: SourceItem, config: IngestConfig, known_sha256: str | None = None) -> FileResult:
    """As `decode_file`, and a file that ends its decoder, or takes too long, has failed with that reason."""
    begun = time.monotonic()
    try:
        result: FileResult = _DECODER.call(limit_s(item.size, config.timeout_s), item, config, known_sha256)
        return result
    except TimedOut as error:
        reason, message = Reason.TIMEOUT, one_line(error)
    except Died as error:
        reason, message = Reason.CRASHED_DECODER, one_line(error)
    return FileResult(Status.FAILED, reason=reason, message=message, seconds=time.monotonic() - begun)


def limit_s(size: int, timeout_s: float) -> float:
    """How long a file of `size` bytes may take: what a header says of its length cannot be relied on."""
    return timeout_s * max(1, math.ceil(size / _BYTES_A_TIMEOUT))
