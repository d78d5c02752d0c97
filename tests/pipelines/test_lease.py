from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chronav import storage
from chronav.errors import CallError, JobError
from pipelines import lease
from pipelines.lease import Lease


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT_S", 0.02)
    monkeypatch.setattr(lease, "SILENT_S", 0.3)
    monkeypatch.setattr(lease, "_POLL_S", 0.01)


def file_of(table: Path) -> Path:
    return Path(f"{table}.ledger", "_ingest.lease")


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_it_is_there_while_held_and_beats(tmp_path: Path, quick: None) -> None:
    table = tmp_path / "t"
    with Lease(str(table)) as held:
        first = file_of(table).read_bytes()
        wait_for(lambda: file_of(table).read_bytes() != first)
        held.check()
    assert not held.waited
    assert not file_of(table).exists()


def test_a_holder_that_lives_is_waited_for(
    tmp_path: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    order = []

    def second() -> None:
        with Lease(str(tmp_path / "t")) as held:
            order.append(("second", held.waited))

    with Lease(str(tmp_path / "t")):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(3 * lease.SILENT_S)  # it beats all the while
        order.append(("first", False))
    thread.join()
    assert order == [("first", False), ("second", True)]
    said = capsys.readouterr().err
    assert said.count("waiting for the ingest that began") == 1
    assert f"process {os.getpid()}" in said


def test_a_dead_holder_of_this_machine_is_followed_at_once(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pipelines.lease import Lease; "
        "Lease(sys.argv[1]).__enter__(); os.kill(os.getpid(), 9)"
    )
    root = str(Path(lease.__file__).parents[1])
    child = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "t")], cwd=root)
    while child.poll() is None and not (file_of(tmp_path / "t").exists() and is_zombie(child.pid)):
        time.sleep(0.01)
    begun = time.monotonic()
    with Lease(str(tmp_path / "t")):  # though the killed one was not even waited for by its parent
        assert time.monotonic() - begun < lease.SILENT_S
    child.wait()


def is_zombie(pid: int) -> bool:
    return lease._born(pid) is None


@pytest.mark.parametrize("text", [None, b"", b'{"half": '])
def test_a_holder_elsewhere_that_is_silent_is_followed(
    text: bytes | None, tmp_path: Path, quick: None
) -> None:
    table = str(tmp_path / "t")
    elsewhere = replace(Lease(table)._me, key="other", machine="elsewhere")
    storage.create_bytes(str(file_of(tmp_path / "t")), lease._text(elsewhere) if text is None else text)
    with Lease(table) as held:
        assert held.waited


def test_whoever_was_taken_for_dead_is_told(tmp_path: Path, quick: None) -> None:
    table = tmp_path / "t"
    with Lease(str(table)) as held:
        held.check()
        file_of(table).write_bytes(lease._text(replace(held._me, key="other")))
        wait_for(lambda: held._lost)
        with pytest.raises(JobError, match=r"taken .* over") as error:
            held.check()
    assert error.value.code == "concurrent_ingest"
    assert file_of(table).exists(), "it is the other one's now"


def test_on_an_object_store(quick: None) -> None:
    table = "memory://bucket/t"
    with Lease(table):
        assert storage.exists("memory://bucket/t.ledger/_ingest.lease")
    assert not storage.exists("memory://bucket/t.ledger/_ingest.lease")


def test_where_nothing_can_be_written_is_a_wrong_call(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(CallError, match="cannot make table") as error, Lease(str(tmp_path / "file" / "t")):
        pass
    assert error.value.path == str(tmp_path / "file" / "t")
