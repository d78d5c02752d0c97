"""The first signal asks, the second stops; handlers are put back."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from chronav.errors import Stopped
from chronav.signals import in_thread, stop_request


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_stops(number):
    asked = []
    before = signal.getsignal(number)
    with stop_request(lambda: asked.append(True)) as request:
        assert request.signal_number is None
        os.kill(os.getpid(), number)
        time.sleep(0.05)
        assert (asked, request.signal_number) == ([True], number)
        with pytest.raises(Stopped) as stopped:
            signal.raise_signal(number)
        assert stopped.value.exit_code == 128 + number
    assert asked == [True]
    assert signal.getsignal(number) == before


def test_signals_arrive_while_the_work_runs_in_a_thread():
    go = threading.Event()
    with stop_request(go.set):
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        in_thread(lambda: None if go.wait(10) else pytest.fail("no signal arrived"))


def test_what_the_work_raises_is_raised():
    def work() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        in_thread(work)


def test_another_thread_than_the_main_one_changes_nothing():
    found = []
    before = signal.getsignal(signal.SIGTERM)

    def elsewhere() -> None:
        with stop_request(lambda: None) as request:
            found.append((request.signal_number, signal.getsignal(signal.SIGTERM)))

    in_thread(elsewhere)
    assert found == [(None, before)]
