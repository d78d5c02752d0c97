from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.isolate import Died, Isolated, NotStarted, TimedOut, scratch_prefix


@contextmanager
def isolated(function: str, calls: int = 1000) -> Iterator[Isolated]:
    process = Isolated(function, calls)
    yield process
    process.close()


def test_results_and_errors_come_back() -> None:
    with isolated("math:sqrt") as root:
        assert [root.call(60, x) for x in (4.0, 9.0)] == [2.0, 3.0]
        with pytest.raises(ValueError, match=r"math domain|nonnegative"):
            root.call(60, -1.0)
        assert root.call(60, 16.0) == 4.0


def test_large_values_travel_both_ways() -> None:
    with isolated("builtins:bytes") as copy:
        value = os.urandom(3_000_000)
        assert copy.call(60, value) == value


def test_one_process_serves_many_calls_until_it_is_replaced() -> None:
    with isolated("os:getpid", calls=3) as process:
        pids = [process.call(60) for _ in range(7)]
    assert os.getpid() not in pids
    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]


@pytest.mark.parametrize("how", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_crash_costs_its_call_alone(how: signal.Signals) -> None:
    with isolated("signal:raise_signal") as process:
        with pytest.raises(Died, match=f"ended by {how.name}"):
            process.call(60, how)
        process.call(60, signal.SIGWINCH)  # of which nobody dies


def test_a_real_segmentation_fault() -> None:
    with isolated("ctypes:string_at") as read, pytest.raises(Died, match="SIGSEGV"):
        read.call(60, 0)


def test_an_exit_is_a_crash() -> None:
    with isolated("os:_exit") as process, pytest.raises(Died, match="exit code 3"):
        process.call(60, 3)


def leave_a_file_and_die(others: str) -> None:
    folder = tempfile.mkdtemp(prefix=scratch_prefix())
    Path(folder, "copy").write_text(others)
    os.abort()


def test_temporary_files_of_a_process_that_dies_go_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.syspath_prepend(Path(__file__).parent)
    (tmp_path / f"{scratch_prefix()}mine").mkdir()
    with isolated("test_isolate:leave_a_file_and_die") as process, pytest.raises(Died, match="SIGABRT"):
        process.call(60, "x")
    assert [path.name for path in tmp_path.iterdir()] == [f"{scratch_prefix()}mine"]


def test_a_process_that_cannot_start_says_why() -> None:
    with (
        isolated("no_such_module:f") as process,
        pytest.raises(NotStarted, match=r"No module.*no_such_module"),
    ):
        process.call(60)


def test_a_hang_ends_in_time() -> None:
    with isolated("time:sleep") as process:
        with pytest.raises(TimedOut, match=r"0\.2 s"):
            process.call(0.2, 3600)
        process.call(60, 0)


def test_a_hang_within_a_library_that_holds_the_interpreter_ends_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stuck.py").write_text(
        "import ctypes\n"
        "def hang():\n"
        "    ctypes.PyDLL(None).pause()\n"  # unlike CDLL, PyDLL keeps the interpreter's lock
    )
    monkeypatch.syspath_prepend(tmp_path)
    with isolated("stuck:hang") as process, pytest.raises(TimedOut):
        process.call(0.2)


def test_the_answer_of_a_call_that_was_interrupted_is_nobodys() -> None:
    class Interrupt(BaseException):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with isolated("builtins:eval") as process:
            assert process.call(60, "1") == 1
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(Interrupt):
                process.call(60, "__import__('time').sleep(0.5) or 'late'")
            assert process.call(60, "2") == 2
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("hanging", [False, True])
def test_the_process_ends_with_its_caller(hanging: bool, tmp_path: Path) -> None:
    (tmp_path / "told.py").write_text(
        "import os, time\n"
        "def work(hang):\n"
        f"    open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        "    time.sleep(3600 * hang)\n"
    )
    script = (
        "import os, sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from pipelines.isolate import Isolated\n"
        f"process = Isolated('told:work')\n"
        f"process.call(3.0, {hanging})\n"
        "os.kill(os.getpid(), 9)\n"
    )
    root = Path(__file__).parents[2]
    caller = subprocess.Popen([sys.executable, "-c", script], cwd=root)
    pid = _read_pid(tmp_path / "pid")
    if hanging:
        caller.kill()
    caller.wait(60)
    deadline = time.monotonic() + 60
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _alive(pid)


def _read_pid(path: Path) -> int:
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return int(path.read_text())


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
