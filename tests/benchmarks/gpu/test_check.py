"""The check outlives its parts: they may fail, crash, hang or have nothing to do."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import pytest

from benchmarks.gpu import check
from benchmarks.gpu.part import SKIPPED
from benchmarks.gpu.schedule import Part

# What a stand-in for a part does with the task that it is given.
FIND = """
import json, os, subprocess, sys, time
task = json.load(open(sys.argv[1]))
open(task["findings"], "w").write('{"figures": {"x": 1.5}}')
"""
SAY_WHY = "open(task['reason'], 'w').write('because')"
SLEEP = "time.sleep(60)"
START_ANOTHER = """
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open({path!r}, "w").write(str(child.pid))
"""


@pytest.fixture
def given(shard) -> argparse.Namespace:
    return argparse.Namespace(device="cpu", small=True, shard=shard.path)


@pytest.fixture
def play(monkeypatch, given):
    def run(script: str, seconds: float = 30.0, **changes):
        monkeypatch.setattr(check, "_module", lambda name, task: [sys.executable, "-c", FIND + script, task])
        return check.run_part(Part("correctness", least_s=1, **changes), seconds, given, {})

    return run


@pytest.mark.parametrize(
    ("script", "status", "reason"),
    [
        ("", "done", None),
        (f"{SAY_WHY}; sys.exit(1)", "failed", "because"),
        (f"{SAY_WHY}; sys.exit({SKIPPED})", "skipped", "because"),
        ("os.kill(os.getpid(), 9)", "failed", "the process ended with exit code -9"),
    ],
)
def test_what_a_part_ends_with(play, script, status, reason):
    part = play(script)
    assert (part.status, part.reason) == (status, reason)
    assert part.figures == {"x": 1.5}  # what it found until then is kept


def test_what_does_not_end_is_ended_with_all_that_it_started(play, tmp_path):
    child = tmp_path / "child"
    begun = time.monotonic()
    part = play(START_ANOTHER.format(path=str(child)) + SLEEP, seconds=8.0, may_be_cut=True)
    assert part.status == "cut"
    assert "not done after 8 s" in part.reason
    assert part.figures == {"x": 1.5}
    assert time.monotonic() - begun < 50
    pid = int(child.read_text())
    while _lives(pid):  # killed, but the kernel may take a moment over it
        assert time.monotonic() - begun < 50
        time.sleep(0.1)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_must_not_be_cut_has_failed_then(tmp_path):
    part = check._outcome(Part("correctness", least_s=1), None, 3.0, tmp_path)
    assert (part.status, part.reason) == ("failed", "not done after 3 s")


def test_a_part_without_time_is_not_begun(play):
    part = play("", seconds=0.5)
    assert (part.status, part.seconds) == ("skipped", 0.0)
    assert part.reason == "0 s left, 1 s needed"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--device", "cpu"], "needs --small"),
        (["--minutes", "0"], "--minutes"),
        (["--minutes", "8"], "at most 7"),
        (["--shard", "nowhere"], "no packed clips at 'nowhere'"),
    ],
)
def test_wrong_calls_end_with_2(arguments, said, capsys):
    with pytest.raises(SystemExit) as ended:
        check.main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_no_device_is_said_in_one_line(shard, capfd, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    report = tmp_path / "out.json"
    assert check.main(["--shard", str(shard.path), "--json", str(report)]) == 2
    assert capfd.readouterr().err.strip().splitlines()[-1] == "not measured: no CUDA device"
    assert not report.exists()


def test_every_part_has_a_module():
    from benchmarks.gpu.part import MODULES
    from benchmarks.gpu.schedule import parts

    assert [part.name for part in parts(6.0)] == list(MODULES)
    assert json.dumps(MODULES)
