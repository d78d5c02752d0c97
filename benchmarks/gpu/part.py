"""One part in a process of its own, `python -m benchmarks.gpu.part TASK`: what goes wrong ends this part alone."""

from __future__ import annotations

import importlib
import json
import sys
import time
import traceback
from pathlib import Path

MODULES = {
    "correctness": "benchmarks.gpu.correctness",
    "throughput": "benchmarks.gpu.throughput",
    "loader": "benchmarks.gpu.loading",
    "compile": "benchmarks.gpu.compiled",
    "pretraining": "benchmarks.gpu.pretraining",
}
FAILED, SKIPPED = 1, 3
"""Exit codes; the last line of the task's `reason` file says why."""


def main(path: str) -> int:
    """Run the part that the task names."""
    begun = time.monotonic()
    task = json.loads(Path(path).read_text())
    deadline = begun + task["seconds"]
    import torch

    from benchmarks.gpu.work import SkipPart, Work

    # As the trainer's workers do: zero-initialised heads make the first gradients denormal, and CPUs crawl on those.
    torch.set_flush_denormal(True)
    try:
        importlib.import_module(MODULES[task["part"]]).run(Work.open(task, deadline))
    except SkipPart as skip:
        Path(task["reason"]).write_text(str(skip))
        return SKIPPED
    except Exception as error:
        traceback.print_exc()
        Path(task["reason"]).write_text(f"{type(error).__name__}: {' '.join(str(error).split())[:1000]}")
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
