"""Following the log of a Ray job until it ends, through lost connections."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

import aiohttp
import requests

from chronav.errors import JobError

if TYPE_CHECKING:
    from ray.dashboard.modules.job.pydantic_models import JobDetails
    from ray.job_submission import JobSubmissionClient

_QUIET_S = 60.0  # a connection that says nothing for so long may be dead: open another
_GIVE_UP_S = 120.0
_RETRY_S = 2.0
_TAIL_LINES = 200
_LOST = (RuntimeError, OSError, aiohttp.ClientError, requests.exceptions.RequestException)


class JobLog:
    """What the job has written: printed once, its last lines kept."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._printed = 0  # characters
        self._at = 0  # characters read from the present connection
        self._lines: deque[str] = deque([""], maxlen=_TAIL_LINES)

    def rewind(self) -> None:
        """A new connection sends the log from its beginning."""
        self._at = 0

    def write(self, text: str) -> None:
        """Print what of `text`, the next piece of the connection, has not been printed before."""
        new = text[max(self._printed - self._at, 0) :]
        self._at += len(text)
        self._printed = max(self._printed, self._at)
        self._out.write(new)
        self._out.flush()
        first, *rest = new.split("\n")
        self._lines[-1] += first
        self._lines.extend(rest)

    def last_json(self) -> dict[str, Any] | None:
        """The JSON object on the last line that is one: the outcome of a command with `--json`."""
        for line in reversed(self._lines):
            if line.startswith("{"):
                try:
                    return json.loads(line)
                except json.JSONDecodeError:
                    continue
        return None

    def error_line(self) -> str | None:
        """The last line with which a chronav command reported an error."""
        for line in reversed(self._lines):
            if line.startswith("chronav: "):
                return line.removeprefix("chronav: ")
        return None


def follow(client: JobSubmissionClient, submission_id: str, log: JobLog) -> JobDetails:
    """Copy the job's log to `log` until the job has ended; returns how it ended.

    Raises `JobError` when the cluster has not answered for two minutes.
    """
    lost_since: float | None = None
    while True:
        with suppress(*_LOST):  # the next request tells whether it is the cluster or only the connection
            asyncio.run(_copy(client, submission_id, log))
        try:
            details = client.get_job_info(submission_id)
            if details.status.is_terminal():
                log.rewind()
                log.write(client.get_job_logs(submission_id))
                return details
            lost_since = None
        except _LOST as error:
            lost_since = lost_since or time.monotonic()
            if time.monotonic() - lost_since > _GIVE_UP_S:
                raise JobError(
                    f"lost the cluster while {submission_id} was running: {error}", code="lost_cluster"
                ) from None
        time.sleep(_RETRY_S)


async def _copy(client: JobSubmissionClient, submission_id: str, log: JobLog) -> None:
    """Copy until the connection ends, as it does when the job has, or is quiet for too long."""
    logging.getLogger("ray.dashboard.modules.job.sdk").setLevel(logging.WARNING)
    log.rewind()
    pieces = client.tail_job_logs(submission_id)
    try:
        while True:
            log.write(await asyncio.wait_for(anext(pieces), _QUIET_S))
    except (StopAsyncIteration, TimeoutError):
        return
    finally:
        await pieces.aclose()
