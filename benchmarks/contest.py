"""A contestant: a process of its own that does one thing when it is told to; and what an input path costs it."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sized
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Generic, TypeVar

import psutil
import torch

Passes = Callable[[], Iterator[Sized]]
"""A fresh iterator over batches of samples."""
Opener = Callable[[Any], AbstractContextManager[Passes]]

T = TypeVar("T")
_SETTLE_S, _IDLE_S = 1.0, 4.0


@dataclass(frozen=True)
class Cost:
    """What one run took, the process and all that it started together."""

    samples: int
    cpu_s: float  # user and system time, less what these processes take while nothing runs
    wall_s: float
    idle: float  # CPU seconds a second while nothing runs: Ray's daemons


class Contestant(Generic[T]):
    """`start(setup)` is entered in the new process; what it gives is called there once for each `run`."""

    def __init__(self, start: Callable[[Any], AbstractContextManager[Callable[[], T]]], setup: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, start, setup))
        self._process.start()
        theirs.close()
        self._answer()

    def __enter__(self) -> Contestant[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join()

    def run(self) -> T:
        """One call in the process, and what it returned."""
        self._pipe.send(None)
        return self._answer()

    def _answer(self) -> Any:
        try:
            return self._pipe.recv()
        except EOFError:
            raise RuntimeError("a contestant's process ended; its traceback is above") from None


def _serve(
    pipe: Connection, start: Callable[[Any], AbstractContextManager[Callable[[], Any]]], setup: Any
) -> None:
    with start(setup) as call:
        pipe.send(None)  # ready
        while True:
            try:
                pipe.recv()
            except EOFError:
                return
            pipe.send(call())


@contextmanager
def costed(opener: Opener, setup: Any) -> Iterator[Callable[[], Cost]]:
    """What `opener(setup)` opens, run once to warm up; each call runs it again and says what that cost."""
    torch.set_num_threads(1)
    with opener(setup) as passes:
        _measure(passes, 0.0)
        idle = _idle()
        yield lambda: _measure(passes, idle)


def cpu_seconds() -> float:
    """CPU seconds so far of this process and all below it; those that ended count through their parents."""
    this = psutil.Process()
    total = 0.0
    for process in (this, *this.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _measure(passes: Passes, idle: float) -> Cost:
    began, cpu = time.monotonic(), cpu_seconds()
    samples = sum(len(batch) for batch in passes())
    spent, wall = cpu_seconds() - cpu, time.monotonic() - began
    return Cost(samples, spent - idle * wall, wall, idle)


def _idle() -> float:
    time.sleep(_SETTLE_S)
    began, cpu = time.monotonic(), cpu_seconds()
    time.sleep(_IDLE_S)
    return (cpu_seconds() - cpu) / (time.monotonic() - began)
