"""A profile of a few steps: where the time of a step goes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, schedule

from chronav import storage
from chronav.tracking import Run

SKIPPED, RECORDED = 10, 5
TRACE, OPERATORS = "trace-rank0.json.gz", "operators.txt"
_ROWS = 40


def window(steps: int) -> tuple[int, int] | None:
    """(steps to skip, steps to record) of a run of `steps`: the first ones, slow and unlike the others, are skipped.

    None where there are too few to skip one and record one.
    """
    if steps < 2:
        return None
    recorded = min(RECORDED, steps - 1)
    return min(SKIPPED, steps - recorded), recorded


class StepProfiler:
    """torch.profiler over a few steps; writes a Chrome trace and a table of the costliest operators.

    Both go to `folder` (local or URL) and to the run, as artifacts below `profile/`.
    """

    def __init__(self, folder: str, run: Run, device: torch.device, steps: int) -> None:
        self._folder, self._run = folder, run
        self._on_gpu = device.type == "cuda"
        self._profile: Any = None
        chosen = window(steps)
        if chosen is not None:
            skipped, recorded = chosen
            activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self._on_gpu else [])]
            self._profile = profile(
                activities=activities,
                # The profiler itself needs a step to warm up.
                schedule=schedule(wait=skipped - 1, warmup=1, active=recorded, repeat=1),
                on_trace_ready=self._write,
            )

    def start(self) -> None:
        """Before the first step."""
        if self._profile is not None:
            self._profile.start()

    def step(self) -> None:
        """After each step."""
        if self._profile is not None:
            self._profile.step()

    def stop(self) -> None:
        """After the last step; a recording that has begun is written."""
        if self._profile is not None:
            self._profile.stop()
            self._profile = None

    def _write(self, recorded: Any) -> None:
        order = "self_cuda_time_total" if self._on_gpu else "self_cpu_time_total"
        with tempfile.TemporaryDirectory() as top:
            folder = Path(top, "profile")
            folder.mkdir()
            recorded.export_chrome_trace(str(folder / TRACE))
            table = recorded.key_averages().table(sort_by=order, row_limit=_ROWS)
            (folder / OPERATORS).write_text(table)
            for name in (TRACE, OPERATORS):
                storage.write_bytes(storage.join(self._folder, name), (folder / name).read_bytes())
            self._run.artifact(top)
