from __future__ import annotations

import io
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from chronav.errors import JobError
from deploy import follow as follow_module
from deploy.follow import JobLog, follow


class _Status(SimpleNamespace):
    def is_terminal(self) -> bool:
        return self.value in ("SUCCEEDED", "FAILED", "STOPPED")


class _Cluster:
    """A job whose log is sent piece by piece; `None` in the pieces is a connection that breaks."""

    def __init__(self, connections: list[list[str | None]], log: str) -> None:
        self.connections, self.log = connections, log
        self.asked = 0

    async def tail_job_logs(self, job_id: str) -> AsyncIterator[str]:
        pieces = self.connections.pop(0) if self.connections else [None]
        for piece in pieces:
            if piece is None:
                raise RuntimeError("WebSocket connection closed unexpectedly")
            yield piece

    def get_job_info(self, job_id: str) -> Any:
        self.asked += 1
        return SimpleNamespace(status=_Status(value="RUNNING" if self.connections else "SUCCEEDED"))

    def get_job_logs(self, job_id: str) -> str:
        return self.log


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    clock = SimpleNamespace(now=1000.0)
    clock.monotonic = lambda: clock.now
    clock.sleep = lambda seconds: setattr(clock, "now", clock.now + seconds)
    monkeypatch.setattr(follow_module, "time", clock)
    return clock


@pytest.mark.parametrize(
    "connections",
    [
        [["one\ntw", "o\nthree\n"]],
        [["one\nt", None], ["one\n", "two\nth", None], ["one\ntwo\nthree\n"]],
        [[None], ["one\ntwo\n", None]],  # the end comes with the last request
        [[None]],  # no web sockets here at all
    ],
)
def test_the_log_is_printed_once_whatever_breaks(connections: Any) -> None:
    out = io.StringIO()
    details = follow(_Cluster(connections, "one\ntwo\nthree\n"), "job", JobLog(out))  # type: ignore[arg-type]
    assert out.getvalue() == "one\ntwo\nthree\n"
    assert details.status.value == "SUCCEEDED"


def test_a_quiet_connection_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_module, "_QUIET_S", 0.05)

    class Dead(_Cluster):
        async def tail_job_logs(self, job_id: str) -> AsyncIterator[str]:
            import asyncio

            yield self.connections.pop(0)[0] or ""
            await asyncio.sleep(30)

    out = io.StringIO()
    follow(Dead([["a\n"], ["a\nb\n"]], "a\nb\nc\n"), "job", JobLog(out))  # type: ignore[arg-type]
    assert out.getvalue() == "a\nb\nc\n"


def test_a_cluster_that_stays_away_is_given_up(clock: Any) -> None:
    class Gone(_Cluster):
        def get_job_info(self, job_id: str) -> Any:
            self.asked += 1
            raise ConnectionError("refused")

    cluster = Gone([], "")
    begun = clock.now
    with pytest.raises(JobError, match="lost the cluster while job was running: refused"):
        follow(cluster, "job", JobLog(io.StringIO()))  # type: ignore[arg-type]
    assert 100 < clock.now - begun < 200
    assert cluster.asked > 10


def test_the_outcome_is_found_behind_late_chatter() -> None:
    log = JobLog(io.StringIO())
    log.write('text\n{"files": 1}\n{"fil')
    log.write('es": 2}\n(raylet) a warning\n{not json\n')
    assert log.last_json() == {"files": 2}
    assert JobLog(io.StringIO()).last_json() is None


def test_the_error_is_the_last_that_chronav_said() -> None:
    log = JobLog(io.StringIO())
    log.write("chronav: one\nTraceback\nchronav: two\nbye\n")
    assert log.error_line() == "two"
    assert JobLog(io.StringIO()).error_line() is None
