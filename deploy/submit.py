"""Any chronav command as a job on a Ray cluster: sent, followed, and its exit code passed on."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from chronav import storage
from chronav.errors import CallError, JobError
from chronav.progress import say
from chronav.tracking import tracking_uri
from deploy.entrypoint import portable, shell_line
from deploy.follow import JobLog, follow

if TYPE_CHECKING:
    from ray.dashboard.modules.job.pydantic_models import JobDetails
    from ray.job_submission import JobSubmissionClient

_ANSWER_S = 10.0
_INTERRUPTED = 130


def submit(command: list[str], address: str, working_dir: str | None = None) -> dict[str, Any]:
    """Run a chronav command (`["ingest", "videos", "--table", "T"]`) on the cluster at `address`.

    `address`: the dashboard of the cluster, `http://HOST:8265`. The job's log goes to stdout as it is
    written. Ctrl-C ends the following and leaves the job running: the last line says how to go on.
    `working_dir`: a folder to ship; the job starts in its copy.

    Returns `submission_id`, `status`, `exit_code` (the job's own: 0, 1 or 2), `seconds`, and, where
    there is one, `outcome` (the job's JSON, if the command has `--json`) and `error`.
    Raises `CallError` for a call that cannot run and for an address where no cluster answers.
    """
    if working_dir is not None and not os.path.isdir(working_dir):
        raise CallError(f"there is no folder '{working_dir}'", code="missing_folder", path=working_dir)
    arguments = portable(command, working_dir)
    client = _connect(address)
    start = time.monotonic()
    submission_id = f"chronav-{arguments[0]}-{uuid.uuid4().hex[:8]}"
    log = JobLog(sys.stdout)
    try:
        _send(client, submission_id, arguments, working_dir)
        say(f"submitted {submission_id}; Ctrl-C stops following it, not the job")
        details = follow(client, submission_id, log)
    except KeyboardInterrupt:
        outcome = _interrupted(submission_id, address)
    else:
        outcome = _outcome(submission_id, details, log)
    return outcome | {"seconds": round(time.monotonic() - start, 3)}


def _connect(address: str) -> JobSubmissionClient:
    url = address if "://" in address else f"http://{address}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CallError(
            f"address '{address}' is not a dashboard's http://HOST:PORT", code="bad_address", key="address"
        )
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    with _without_ray_address():
        try:
            # Ray's client waits for ever for a host that does not answer: ask with a limit first.
            requests.get(f"{url.rstrip('/')}/api/version", timeout=_ANSWER_S)
            return JobSubmissionClient(url)
        except AuthenticationError:
            message = (
                f"the cluster at '{address}' wants its token: set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN "
                "(or keep the token in ~/.ray/auth_token)"
            )
        except requests.exceptions.HTTPError as error:
            message = f"'{address}' is not a Ray dashboard: {error}"
        except (requests.exceptions.RequestException, OSError):
            message = f"no Ray dashboard answers at '{address}'"
        except (RuntimeError, ValueError, KeyError) as error:
            message = f"'{address}' is not a Ray dashboard: {error}"
    raise CallError(message, code="unreachable", key="address")


@contextmanager
def _without_ray_address() -> Iterator[None]:
    """Ray lets these variables win over an address that is given: here the option wins."""
    names = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")
    hidden = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _send(
    client: JobSubmissionClient, submission_id: str, arguments: list[str], working_dir: str | None
) -> None:
    given = os.environ.get("MLFLOW_TRACKING_URI")
    entrypoint = shell_line(arguments, default_tracking_uri=None if given else tracking_uri())
    runtime_env: dict[str, Any] = {"env_vars": _environment(given)}
    if working_dir is not None:
        runtime_env["working_dir"] = storage.absolute(working_dir)
    try:
        client.submit_job(entrypoint=entrypoint, submission_id=submission_id, runtime_env=runtime_env)
    except (RuntimeError, ValueError, OSError, requests.exceptions.RequestException) as error:
        raise JobError(f"the cluster did not take the job: {error}", code="not_submitted") from None


def _environment(mlflow_uri: str | None) -> dict[str, str]:
    variables = {}
    if mlflow_uri:
        variables["MLFLOW_TRACKING_URI"] = mlflow_uri
    if sys.prefix != sys.base_prefix:
        # `python` on a head that was started from this virtual environment without activating it;
        # on other machines the folder is not there and is passed over.
        variables["PATH"] = f"{os.path.join(sys.prefix, 'bin')}:${{PATH}}"
    return variables


def _outcome(submission_id: str, details: JobDetails, log: JobLog) -> dict[str, Any]:
    code = 0 if details.status == "SUCCEEDED" else _failure_code(details.driver_exit_code)
    outcome: dict[str, Any] = {
        "submission_id": submission_id,
        "status": details.status.value,
        "exit_code": code,
    }
    inner = log.last_json() or {}
    if inner and "error" not in inner:
        outcome["outcome"] = inner
    if code:
        why = log.error_line() or (details.message or "").partition("\n")[0]
        message = f"{why} ({submission_id}: {details.status.value}, exit code {code})"
        inner_error = inner.get("error", {})
        outcome["error"] = {"code": "job_failed"} | inner_error | {"message": message}
    return outcome


def _failure_code(driver_exit_code: int | None) -> int:
    """The job's own code; 1 where it has none (stopped, never started) or was killed by a signal."""
    return driver_exit_code if driver_exit_code is not None and driver_exit_code > 0 else 1


def _interrupted(submission_id: str, address: str) -> dict[str, Any]:
    message = (
        f"no longer following {submission_id}, which goes on; "
        f"follow it: ray job logs --address {address} --follow {submission_id}; "
        f"end it: ray job stop --address {address} {submission_id}"
    )
    return {
        "submission_id": submission_id,
        "status": "RUNNING",
        "exit_code": _INTERRUPTED,
        "error": {"code": "interrupted", "message": message},
    }
