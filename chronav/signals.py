"""Ctrl-C and SIGTERM (a pre-empted machine, `ray job stop`) while a job runs: the first one asks it to end well."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from chronav.errors import Stopped

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Request:
    """Which signal asked for a stop, if any did."""

    signal_number: int | None = None


@contextmanager
def stop_request(ask: Callable[[], None]) -> Iterator[Request]:
    """Inside the block the first signal calls `ask`; the second raises `Stopped` at once.

    Only the main thread can receive signals; in another one the block changes nothing.
    """
    request = Request()

    def handle(number: int, _: FrameType | None) -> None:
        if request.signal_number is not None:
            raise Stopped(number)
        request.signal_number = number
        ask()

    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before: dict[int, Any] = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def in_thread(work: Callable[[], None]) -> None:
    """Run `work` in a thread and wait for it: the main thread stays free for signals. Raises what it raises."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
    if raised:
        raise raised[0]
