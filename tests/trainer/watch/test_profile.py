"""A profile is recorded of a few steps and written as a trace and a table."""

from __future__ import annotations

import gzip
import json

import pytest
import torch

from chronav.tracking import Run
from trainer.watch.profile import OPERATORS, TRACE, StepProfiler, window


@pytest.mark.parametrize(
    ("steps", "expected"),
    [(100, (10, 5)), (15, (10, 5)), (12, (7, 5)), (4, (1, 3)), (2, (1, 1)), (1, None), (0, None)],
)
def test_the_first_steps_are_skipped_where_there_are_enough(steps, expected):
    assert window(steps) == expected


def test_the_recorded_steps_are_in_the_trace_and_the_rest_is_not(tmp_path):
    run = Run.start("pretrain", "profile")
    profiler = StepProfiler(str(tmp_path), run, torch.device("cpu"), steps=8)  # 3 skipped, 5 recorded
    profiler.start()
    for step in range(8):
        with torch.profiler.record_function(f"step {step}"):
            torch.ones(8, 8) @ torch.ones(8, 8)
        profiler.step()
    profiler.stop()
    events = json.loads(gzip.decompress((tmp_path / TRACE).read_bytes()))["traceEvents"]
    named = {event["name"] for event in events if str(event.get("name", "")).startswith("step ")}
    assert named == {f"step {step}" for step in range(3, 8)}
    assert "aten::mm" in (tmp_path / OPERATORS).read_text()
    logged = {file.path for file in run._client.list_artifacts(run.run_id, "profile")}
    assert logged == {f"profile/{TRACE}", f"profile/{OPERATORS}"}


def test_a_run_cut_short_leaves_what_was_recorded(tmp_path):
    profiler = StepProfiler(str(tmp_path), Run.start("pretrain", "profile"), torch.device("cpu"), steps=100)
    profiler.start()
    for _ in range(12):
        torch.ones(8, 8) @ torch.ones(8, 8)
        profiler.step()
    profiler.stop()
    assert (tmp_path / TRACE).is_file()
