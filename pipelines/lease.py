"""One ingest of a table at a time: the others wait.

The lease is a file beside the table that its holder writes anew every few seconds. Where the holder is no more,
the next one takes the lease over: at once when it ran on this machine, else when the file has not changed for a
minute, by the waiting one's own clock. A holder that was only asleep may so be taken for dead. That costs it its
work since the last commit, not the table's content: commits cannot interleave (see `transaction`).
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType

from chronav import storage
from chronav.errors import CallError, JobError
from chronav.progress import say
from pipelines.result import one_line
from pipelines.schema import ledger_path

BEAT_S = 10.0
SILENT_S = 60.0
_POLL_S = 0.5


@dataclass(frozen=True)
class Holder:
    """Who holds a lease. `born`: when that process began, so that a later one of the same number is told apart."""

    key: str
    machine: str
    pid: int
    born: str | None
    since: str
    beats: int = 0


class Lease:
    """The right to write a table, inside a `with` block. `waited`: another ingest had it before.

    Raises `CallError` where no lease can be written.
    """

    def __init__(self, table: str) -> None:
        self.waited = False
        self._table = table
        self._path = storage.join(storage.absolute(ledger_path(table)), "_ingest.lease")
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        self._me = Holder(uuid.uuid4().hex, _machine(), os.getpid(), _born(os.getpid()), since)
        self._lost = False
        self._end = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True, name="lease")

    def __enter__(self) -> Lease:
        try:
            self._acquire()
        except OSError as error:
            message = f"cannot make table '{self._table}': {one_line(error)}"
            raise CallError(message, code="bad_table", path=self._table) from None
        self._beating.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._beating.join()
        if _is_held_by(self._path, self._me):
            storage.remove(self._path)

    def check(self) -> None:
        """Raise `JobError` when another ingest has taken the lease over."""
        if self._lost:
            raise JobError(
                f"another ingest has taken '{self._table}' over, for this one gave no sign of life for "
                f"{SILENT_S:.0f} s; what was committed stays, run it again",
                code="concurrent_ingest",
                path=self._table,
            )

    def _acquire(self) -> None:
        seen: bytes | None = None
        changed = time.monotonic()
        while not storage.create_bytes(self._path, _text(self._me)):
            text = _read(self._path)
            if text is None:
                continue  # given back just now
            if text != seen:
                if not self.waited:
                    say(f"waiting for {_who(text)} to finish with '{self._table}'")
                self.waited, seen, changed = True, text, time.monotonic()
            silent = time.monotonic() - changed > SILENT_S
            if (silent or _is_dead(text)) and _read(self._path) == text:
                storage.remove(self._path)
                continue
            time.sleep(_POLL_S)

    def _beat(self) -> None:
        while not self._end.wait(BEAT_S):
            try:
                if not _is_held_by(self._path, self._me):
                    self._lost = True
                    return
                self._me = replace(self._me, beats=self._me.beats + 1)
                storage.write_bytes(self._path, _text(self._me))
            except OSError:
                continue  # the store is out of reach for now; the next beat may come through


def _text(holder: Holder) -> bytes:
    return json.dumps(asdict(holder)).encode()


def _read(path: str) -> bytes | None:
    try:
        return storage.read_bytes(path)
    except FileNotFoundError:
        return None


def _parsed(text: bytes) -> Holder | None:
    try:
        return Holder(**json.loads(text))
    except (ValueError, TypeError):
        return None  # half written


def _is_held_by(path: str, holder: Holder) -> bool:
    found = _parsed(_read(path) or b"")
    return found is not None and found.key == holder.key


def _who(text: bytes) -> str:
    holder = _parsed(text)
    if holder is None:
        return "another ingest"
    host = holder.machine.partition(" ")[0]
    return f"the ingest that began {holder.since} on {host}, process {holder.pid},"


def _is_dead(text: bytes) -> bool:
    """Whether the holder ran on this machine and runs no more."""
    holder = _parsed(text)
    if holder is None or holder.machine != _machine() or holder.born is None:
        return False
    return _born(holder.pid) != holder.born


def _machine() -> str:
    """The name of this machine, and its process space: containers of one machine have their own."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return f"{socket.gethostname()} {space}"


def _born(pid: int) -> str | None:
    """When a process of this machine began, in ticks of its kernel; None where it is no more, or is not known."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *values = stat.rpartition(")")[2].split()
    return None if state in "ZX" else values[18]
