"""Calls in a process of their own, so that a crash or a hang of a library costs one call and not the job."""

from __future__ import annotations

import glob
import importlib
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any


class Died(Exception):
    """The process ended within a call: by a signal, or by an exit that nobody asked for."""


class NotStarted(RuntimeError):
    """The process cannot be started or cannot load the function: what is wrong is the installation."""


class TimedOut(Exception):
    """A call took longer than it may."""


class Isolated:
    """A function (`module:name`) in another process, which is started at the first call and serves the next ones.

    After `calls` calls, and after one that ended it, another process takes its place: what a library leaks goes
    with the old one. Arguments and results are pickled. The process ends with this one, however that ends.
    """

    def __init__(self, function: str, calls: int = 1000) -> None:
        self._function = function
        self._calls = calls
        self._left = 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._errors: Any = None

    def call(self, timeout_s: float, *args: Any) -> Any:
        """The function's result, or what it raises; else `TimedOut`, `Died` or `NotStarted`."""
        message = pickle.dumps((timeout_s, args), protocol=pickle.HIGHEST_PROTOCOL)
        with self._lock:
            pipe = self._running()
            self._left -= 1
            try:
                pipe.send_bytes(message)
                answer = pipe.recv_bytes()
            except (EOFError, OSError):
                code, how = self._end()
                raise (
                    TimedOut(f"more than {timeout_s:g} s") if code == -signal.SIGALRM else Died(how)
                ) from None
            except BaseException:
                self._abandon()  # else the next call would be given this one's answer
                raise
        good, value = pickle.loads(answer)
        if not good:
            raise value
        return value

    def close(self) -> None:
        """End the process, if there is one; a later call starts another."""
        if self._process is not None and self._pipe is not None:
            self._pipe.close()  # what the process waits for
            self._process.wait()
            self._errors.close()
        self._process = self._pipe = None
        self._left = 0

    def _abandon(self) -> None:
        """End the process within a call."""
        if self._process is not None:
            self._process.kill()
            self._end()

    def _running(self) -> Connection:
        if self._pipe is not None and self._left > 0:
            return self._pipe
        self.close()
        self._pipe, theirs = Pipe()
        # A file and no pipe: nobody reads it unless the process dies, and libraries may write much.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        fd = theirs.fileno()
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import serve; serve({fd}, {self._function!r})"],
            pass_fds=[fd],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        theirs.close()
        try:
            self._pipe.recv_bytes()
        except (EOFError, OSError):
            raise NotStarted(f"process for {self._function} {self._end()[1]}") from None
        self._left = self._calls
        return self._pipe

    def _end(self) -> tuple[int, str]:
        """Clear away a process that has ended; its exit code, and that with its last words."""
        assert self._process is not None
        code = self._process.wait()
        for left in glob.glob(os.path.join(tempfile.gettempdir(), f"{scratch_prefix(self._process.pid)}*")):
            shutil.rmtree(left, ignore_errors=True)
        self._errors.seek(0)
        last = self._errors.read().decode(errors="replace").strip().rpartition("\n")[2]
        self.close()
        how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return code, f"{how}: {last}" if last else how


def scratch_prefix(pid: int | None = None) -> str:
    """How the names of temporary folders of this process begin: those of one that dies in a call are deleted."""
    return f"chronav-{pid or os.getpid()}-"


def serve(fd: int, function: str) -> None:
    """The other process: answer calls until the caller hangs up."""
    # The timer's signal ends a process that hangs within a library, with nobody to watch it.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the caller to handle
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    module, _, name = function.partition(":")
    target = getattr(importlib.import_module(module), name)
    pipe = Connection(fd)
    pipe.send_bytes(b"ready")
    while True:
        try:
            timeout_s, args = pickle.loads(pipe.recv_bytes())
        except EOFError:
            break
        signal.setitimer(signal.ITIMER_REAL, timeout_s)
        answer = _answer(target, args)
        signal.setitimer(signal.ITIMER_REAL, 0)
        pipe.send_bytes(answer)
    os._exit(0)  # without waiting for threads that libraries have left


def _answer(target: Any, args: tuple[Any, ...]) -> bytes:
    try:
        return pickle.dumps((True, target(*args)), protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        return pickle.dumps((False, error))
