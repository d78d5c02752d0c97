"""`chronav` with a note of every decode that begins: `python -m benchmarks.decode_log ingest …`.

The file that `CHRONAV_DECODE_LOG` names gets a line a decode, which no kill takes back: it tells what was decoded and
left no trace in the table, and which process is at it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines import decode, execute, guarded, task
from pipelines.config import IngestConfig
from pipelines.isolate import Isolated
from pipelines.result import FileResult
from pipelines.sources.base import SourceItem

LOG = "CHRONAV_DECODE_LOG"
_NOTING = Isolated("benchmarks.decode_log:decode_file")


def decode_file(item: SourceItem, config: IngestConfig, known_sha256: str | None = None) -> FileResult:
    """As `pipelines.decode.decode_file`, and noted before it begins."""
    file = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(file, f"{os.getpid()} {item.uri}\n".encode())  # in one piece: lines of two processes do not mix
    os.close(file)
    return decode.decode_file(item, config, known_sha256)


def run_task(row: Mapping[str, Any], table: str, config: IngestConfig) -> dict[str, str]:
    """As `pipelines.task.run_task`, with the decoder above."""
    guarded._DECODER = _NOTING
    return task.run_task(row, table, config)


def decodes(log: Path) -> Counter[str]:
    """How many decodes of each file have begun."""
    return Counter(line.partition(" ")[2] for line in log.read_text().splitlines())


def latest(log: Path) -> tuple[int, int]:
    """How many decodes have begun, and the process of the latest; 0 and 0 where none has."""
    lines = log.read_text().splitlines() if log.exists() else []
    return len(lines), int(lines[-1].partition(" ")[0]) if lines else 0


def main() -> None:
    """The command line of `chronav`."""
    from benchmarks import decode_log  # by its name, under which workers find it
    from chronav import cli

    execute.run_task = decode_log.run_task
    cli.main()


if __name__ == "__main__":
    main()
