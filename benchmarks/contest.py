"""A contestant: a process of its own that runs one input path when it is told to, and counts what that costs."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sized
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

import psutil

Passes = Callable[[], Iterator[Sized]]
"""A fresh iterator over batches of samples."""
Opener = Callable[[Any], AbstractContextManager[Passes]]


@dataclass(frozen=True)
class Cost:
    """What one run took: CPU seconds of the process and all that it started, and seconds on the clock."""

    samples: int
    cpu_s: float
    wall_s: float


class Contestant:
    """`opener(setup)` is entered in the new process; its passes run once untimed, and once for each `run`."""

    def __init__(self, opener: Opener, setup: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, opener, setup))
        self._process.start()
        theirs.close()
        self._answer()

    def __enter__(self) -> Contestant:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join()

    def run(self) -> Cost:
        """One timed run."""
        self._pipe.send("run")
        return self._answer()

    def _answer(self) -> Cost:
        try:
            return self._pipe.recv()
        except EOFError:
            raise RuntimeError("a contestant's process ended; its traceback is above") from None


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


def _serve(pipe: Connection, opener: Opener, setup: Any) -> None:
    import torch

    torch.set_num_threads(1)
    with opener(setup) as passes:
        pipe.send(_measure(passes))  # the first run warms up, and is not looked at
        while True:
            try:
                pipe.recv()
            except EOFError:
                return
            pipe.send(_measure(passes))


def _measure(passes: Passes) -> Cost:
    began, cpu = time.monotonic(), cpu_seconds()
    samples = sum(len(batch) for batch in passes())
    return Cost(samples, cpu_seconds() - cpu, time.monotonic() - began)
