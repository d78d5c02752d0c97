"""The next steps' batches, put together by a thread while the device computes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from typing import TypeVar

from trainer.batch import Batch

_T = TypeVar("_T")
_AHEAD = 2  # steps: one would leave the thread waiting for the consumer between two batches


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(items: Iterator[_T]) -> Iterator[_T]:
    """The same items in the same order, made up to two before they are asked for; what they raise is raised here."""
    made: queue.Queue[_T | _End] = queue.Queue(maxsize=_AHEAD)
    unwanted = threading.Event()

    def put(item: _T | _End) -> bool:
        while not unwanted.is_set():
            try:
                made.put(item, timeout=0.5)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(_End(None))
        except BaseException as error:
            put(_End(error))

    threading.Thread(target=work, daemon=True, name="prefetch").start()
    try:
        while True:
            item = made.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        unwanted.set()


def pinned(batches: Iterator[Sequence[Batch]]) -> Iterator[list[Batch]]:
    """Batches in memory from which a GPU copies while it computes."""
    for parts in batches:
        yield [part.pin() for part in parts]
