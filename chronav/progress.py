"""Progress with time left: a bar on a terminal, a line now and then elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_PLAIN_EVERY_S = 10.0


def format_seconds(seconds: float) -> str:
    """`75` -> `1:15`."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    text = f"{rest // 60}:{rest % 60:02d}"
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else text


class Rate:
    """How much of something is done a second, over the whole time since this was made."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def of(self, done: float) -> float | None:
        """The rate now that `done` in all are finished; None until there is one."""
        seconds = time.monotonic() - self._since
        return done / seconds if done > 0 and seconds > 0 else None


class _Pace:
    """What the time that is left is told by: the rate from the first result on, start-up is no part of it."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None

    def of(self, done: float) -> float | None:
        now = time.monotonic()
        if self._first is None:
            self._first = (done, now) if done > 0 else None
            return None
        first, since = self._first
        return (done - first) / max(now - since, 1e-9) if done > first else None


class Bar:
    """A progress bar: `with Bar("ingest", total=131, unit="files") as bar: bar.update(done)`.

    Its last line says the rate over its whole time. `resumed`: what an earlier call did may count as done; how fast
    this one was cannot be told then, and is not said.
    """

    def __init__(self, name: str, total: int, unit: str, resumed: bool = False) -> None:
        self.name, self.total, self.unit = name, total, unit
        self._start = time.monotonic()
        self._last_line = self._start
        self._ended = False
        self._pace, self._rate = _Pace(), None if resumed else Rate()
        self._rich: Progress | None = None
        console = Console(stderr=True)
        if console.is_terminal:
            columns = [
                TextColumn("{task.description:<10}"),
                BarColumn(bar_width=28),
                MofNCompleteColumn(),
                TextColumn(unit),
                TextColumn("{task.fields[note]}"),
                TimeElapsedColumn(),
            ]
            self._rich = Progress(*columns, console=console)
            self._task = self._rich.add_task(name, total=total, note="")

    def __enter__(self) -> Bar:
        if self._rich:
            self._rich.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rich:
            self._rich.stop()

    def update(self, done: int, note: str = "") -> None:
        """Show that `done` of the total are finished."""
        now = time.monotonic()
        note = ", ".join(part for part in (note, self._left(done)) if part)
        if self._rich:
            self._rich.update(self._task, completed=done, note=note)
        elif not self._ended and (now - self._last_line >= _PLAIN_EVERY_S or done >= self.total):
            self._last_line, self._ended = now, done >= self.total
            print(f"{self.name}: {done}/{self.total} {self.unit}  {note}", file=sys.stderr, flush=True)

    def _left(self, done: int) -> str:
        pace = self._pace.of(done)
        if done >= self.total:
            rate = self._rate.of(done) if self._rate else None
            return "" if rate is None else f"{rate:.1f} {self.unit}/s"
        if pace is None:
            return ""
        return f"{pace:.1f} {self.unit}/s, {format_seconds((self.total - done) / pace)} left"


def say(text: str) -> None:
    """One line on stderr for the person who watches."""
    print(text, file=sys.stderr, flush=True)
