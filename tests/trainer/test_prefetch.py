"""Items come in order, up to two ahead, and errors arrive where they belong."""

from __future__ import annotations

import threading
import time

import pytest

from trainer.prefetch import ahead


def test_items_come_in_order_and_end():
    assert list(ahead(iter(range(50)))) == list(range(50))
    assert list(ahead(iter([]))) == []


def test_only_a_few_items_are_made_before_they_are_asked_for():
    made = []

    def items():
        for number in range(100):
            made.append(number)
            yield number

    stream = ahead(items())
    assert next(stream) == 0
    time.sleep(0.3)
    assert len(made) <= 1 + 2 + 1  # taken, waiting, and the one that the thread holds
    stream.close()


def test_an_error_is_raised_after_the_items_before_it():
    def items():
        yield 1
        raise ValueError("broken")

    stream = ahead(items())
    assert next(stream) == 1
    with pytest.raises(ValueError, match="broken"):
        next(stream)


def test_the_thread_ends_when_nobody_wants_more():
    stream = ahead(iter(range(10**9)))
    assert next(stream) == 0
    stream.close()
    deadline = time.monotonic() + 5
    while any(t.name == "prefetch" and t.is_alive() for t in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
