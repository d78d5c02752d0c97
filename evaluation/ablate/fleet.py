"""Several runs at a time, each in a process of its own; stopped in good order."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chronav import storage
from chronav.errors import Stopped
from chronav.progress import Bar, say
from chronav.signals import in_thread, stop_request
from evaluation.ablate.runs import RunSpec
from trainer.config import PretrainConfig

_CPUS_BESIDE = 2
"""CPUs that a run takes beside its workers: the trainer's coordinator and whoever watches."""


def at_a_time(cpus: float, gpus: float, config: PretrainConfig, runs: int, asked: int) -> int:
    """How many runs of a config there is room for, 1 at least; `asked`: the number asked for, 0: none.

    Without a GPU for each worker, workers that take all cores for themselves (`threads` 0) leave room for one run.
    """
    if asked:
        return max(1, min(asked, runs))
    if gpus >= config.workers:
        room = min(cpus // (config.workers + _CPUS_BESIDE), gpus // config.workers)
    else:
        each = config.workers * config.threads + _CPUS_BESIDE
        room = cpus // each if config.threads else 1
    return max(1, min(int(room), runs))


def cpus_for(runs: int, workers: int) -> int:
    """Logical CPUs without which as many runs at a time would wait for each other."""
    return runs * (workers + _CPUS_BESIDE)


@dataclass(frozen=True)
class Failure:
    """A run that did not end well, why, and where its log is."""

    title: str
    message: str
    log: str


class Fleet:
    """Processes that can be asked to stop. `command`: what is run, with the run as JSON on its stdin."""

    def __init__(self, logs: str, command: Sequence[str], environment: dict[str, str]) -> None:
        self._logs, self._command, self._environment = logs, command, environment
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopping = False

    def sail(self, specs: Sequence[RunSpec], jobs: int) -> list[Failure]:
        """Run all, `jobs` at a time, in their order; those that failed, once all have ended.

        The first Ctrl-C or SIGTERM asks the runs to save and to end; then raises `Stopped`.
        """
        found: list[Failure | None] = []

        def work() -> None:
            with Bar("ablate", len(specs), "runs") as bar, ThreadPoolExecutor(jobs) as pool:
                for done, failure in enumerate(pool.map(self._one, specs), start=1):
                    found.append(failure)
                    bar.update(done)

        with stop_request(self.stop) as request:
            try:
                in_thread(work)
            finally:
                self.stop()
        if request.signal_number is not None:
            raise Stopped(request.signal_number)
        return [failure for failure in found if failure is not None]

    def stop(self) -> None:
        """Ask what is running to save and to end, and begin nothing more."""
        with self._lock:
            self._stopping = True
            for process in self._running:
                process.terminate()

    def _one(self, spec: RunSpec) -> Failure | None:
        log = os.path.join(self._logs, f"{spec.key}.txt")
        with open(log, "a") as output:
            with self._lock:
                if self._stopping:
                    return None
                # A session of its own: Ctrl-C reaches it by way of `stop`, once.
                process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    text=True,
                    env=self._environment,
                    start_new_session=True,
                )
                self._running.add(process)
            process.communicate(spec.model_dump_json())
        with self._lock:
            self._running.discard(process)
            stopping = self._stopping
        if process.returncode == 0:
            say(f"ablate: {spec.title}: done")
            return None
        if stopping:
            return None
        failure = Failure(spec.title, _last_line(log), log)
        say(f"ablate: {spec.title} FAILED: {failure.message} (log: {log})")
        return failure


def worker_command() -> list[str]:
    """The line that runs one run."""
    return [sys.executable, "-m", "evaluation.ablate.worker"]


def log_folder(out: str, fallback: Callable[[], str]) -> str:
    """Where logs go: below a local `out`; a process cannot write to a URL, so elsewhere on this machine then."""
    if storage.is_url(out):
        return fallback()
    folder = storage.join(storage.absolute(out), "logs")
    storage.make_dirs(folder)
    return folder


def _last_line(log: str) -> str:
    with open(log, errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    return lines[-1].removeprefix("chronav: ") if lines else "it wrote nothing"
