"""Runs as processes: how many at a time, what became of each, and a stop in good order."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from chronav.config import build
from chronav.errors import Stopped
from evaluation.ablate.fleet import Fleet, at_a_time, log_folder
from evaluation.ablate.runs import Data, RunSpec
from evaluation.config import EvaluateConfig
from trainer import recipes
from trainer.config import PretrainConfig


def specs(out: Path, *names: str) -> list[RunSpec]:
    config = build(PretrainConfig, defaults=recipes.get("tiny"))
    data = Data(tables=("/t",), versions={}, data="/d", measured="")
    about = {"recipe": "tiny", "config": config, "data": data, "protocols": ("linear",), "out": str(out)}
    return [RunSpec(name=name, seed=0, evaluate=EvaluateConfig(), **about) for name in names]


def fleet(tmp_path: Path, script: str) -> Fleet:
    start = "import json, os, signal, sys, time; s = json.load(sys.stdin); name = s['name']; out = s['out']\n"
    return Fleet(str(tmp_path), [sys.executable, "-c", start + script], dict(os.environ))


@pytest.mark.parametrize(
    ("cpus", "gpus", "workers", "threads", "runs", "asked", "expected"),
    [
        (2, 0, 1, 1, 30, 0, 1),  # a small machine: one after the other
        (2, 0, 1, 1, 30, 2, 2),  # unless asked otherwise
        (16, 0, 1, 1, 30, 0, 5),
        (16, 0, 2, 2, 30, 0, 2),
        (16, 0, 1, 0, 30, 0, 1),  # a worker that takes all cores
        (64, 8, 2, 0, 30, 0, 4),  # GPUs are what is scarce
        (64, 8, 8, 0, 30, 0, 1),
        (6, 8, 1, 0, 30, 0, 2),  # or CPUs are
        (64, 0, 1, 1, 3, 0, 3),
        (64, 0, 1, 1, 3, 9, 3),
    ],
)
def test_at_a_time(
    cpus: int, gpus: int, workers: int, threads: int, runs: int, asked: int, expected: int
) -> None:
    config = build(PretrainConfig, overrides=[f"workers={workers}", "lanes=8", f"threads={threads}"])
    assert at_a_time(cpus, gpus, config, runs, asked) == expected


def test_a_failed_run_is_named_and_stops_no_other(tmp_path: Path) -> None:
    script = "open(f'{out}/{name}.done', 'w')\nif name == 'b': print('chronav: no disk left'); sys.exit(1)"
    failures = fleet(tmp_path, script).sail(specs(tmp_path, "a", "b", "c"), 2)
    assert {p.name for p in tmp_path.glob("*.done")} == {"a.done", "b.done", "c.done"}
    assert [(f.title, f.message) for f in failures] == [("b, seed 0", "no disk left")]
    assert Path(failures[0].log).read_text() == "chronav: no disk left\n"


def test_a_signal_lets_runs_save_and_begins_no_more(tmp_path: Path) -> None:
    script = (
        "signal.signal(signal.SIGTERM, lambda *_: (open(f'{out}/{name}.saved', 'w'), sys.exit(143)))\n"
        "open(f'{out}/{name}.begun', 'w')\n"
        "time.sleep(60)"
    )

    def stop_once_begun() -> None:
        while not (tmp_path / "a.begun").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_once_begun, daemon=True).start()
    with pytest.raises(Stopped) as stopped:
        fleet(tmp_path, script).sail(specs(tmp_path, "a", "b"), 1)
    assert stopped.value.exit_code == 143
    assert {p.name for p in tmp_path.glob("*.saved")} == {"a.saved"}
    assert not (tmp_path / "b.begun").exists()


def test_logs_of_a_remote_study_are_local(tmp_path: Path) -> None:
    assert log_folder("s3://bucket/study", lambda: str(tmp_path)) == str(tmp_path)
    assert Path(log_folder(str(tmp_path / "study"), lambda: "")).is_dir()
