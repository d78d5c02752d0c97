"""Jobs on a real Ray head of its own, on this machine; and calls that never reach one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
import requests

from chronav.errors import CallError
from deploy import submit as submit_module
from deploy.submit import submit

START_S = 90
JOB_S = 240  # a job is a few seconds on an idle machine
BIN = Path(sys.executable).parent


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _environment(**more: str) -> dict[str, str]:
    # Other tests' Ray may have switched token authentication on for this process.
    ours = ("RAY_", "MLFLOW_TRACKING_URI", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"} | more


@pytest.fixture(scope="module")
def head() -> Iterator[str]:
    """The dashboard of a Ray head that runs elsewhere than the tests: in a folder of its own."""
    dashboard, client, agent = _free_ports(3)
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # socket paths must be short
    log = Path(folder, "head.log")
    call = [
        *[BIN / "ray", "start", "--head", "--block", "--num-cpus=3", "--port=0"],
        *["--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}"],
        *[f"--ray-client-server-port={client}", f"--dashboard-agent-listen-port={agent}"],
        *[f"--temp-dir={folder}/t", "--object-store-memory=200000000"],
    ]
    environment = _environment(RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S="0")
    with log.open("w") as out:
        process = subprocess.Popen(
            call, cwd=folder, env=environment, stdout=out, stderr=out, start_new_session=True
        )
    address = f"http://127.0.0.1:{dashboard}"
    try:
        _wait_for(f"{address}/api/jobs/", process, log)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.3)
    pytest.fail(f"no Ray head after {START_S} s:\n{log.read_text()}")


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with three videos of two seconds, each with a tone of its own."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "media").mkdir()
    for index in range(3):
        picture = f"testsrc=size=64x48:rate=10:duration=2,hue=h={40 * index}"
        call = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-f", "lavfi", "-i", picture]
        call += ["-f", "lavfi", "-i", f"sine=frequency={300 * (index + 1)}:duration=2"]
        subprocess.run([*call, folder / "media" / f"clip {index}.mp4"], check=True, timeout=60)
    return folder


def _call(arguments: Sequence[str], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chronav", "submit", *arguments],
        cwd=cwd,
        env=_environment(**environment),
        capture_output=True,
        text=True,
        timeout=JOB_S,
    )


def _rows(table: str) -> list[dict[str, Any]]:
    """All rows but when and in which batch they were written."""
    from pipelines.table import open_table

    rows = open_table(table).to_pyarrow_table().drop_columns(["ingested_at", "batch_id"]).to_pylist()
    return sorted(rows, key=lambda row: row["clip_id"])


def test_an_ingest_on_the_cluster_makes_the_table_of_the_local_run(
    head: str, media: Path, ray_local: None
) -> None:
    store = f"sqlite:///{media}/runs.db"
    done = _call(
        ["ingest", "media", "--table", "there", "fps=8", "--json", "--address", head],
        media,
        MLFLOW_TRACKING_URI=store,
        RAY_ADDRESS="http://127.0.0.1:9",  # the option wins over Ray's own variable
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert (outcome["status"], outcome["exit_code"]) == ("SUCCEEDED", 0)
    assert outcome["submission_id"] in done.stderr
    assert "3 files: 3 new" in done.stdout  # the job's own words

    from mlflow import MlflowClient

    from pipelines.config import IngestConfig
    from pipelines.job import ingest

    job = outcome["outcome"]
    local = ingest(str(media / "media"), str(media / "here"), IngestConfig(fps=8.0))
    for key in ("files", "new", "decoded", "ok", "segments", "segments_with_sound", "reasons"):
        assert job[key] == local[key], key
    assert job["table"] == str(media / "there")
    assert MlflowClient(store).get_run(job["mlflow_run_id"]).info.status == "FINISHED"

    here, there = _rows(str(media / "here")), _rows(str(media / "there"))
    assert len(here) == 3
    assert here == there


def test_a_bad_call_on_the_cluster_is_exit_code_2_here(head: str, media: Path) -> None:
    done = _call(["ingest", "media", "--table", "bad", "bogus=1", "--address", head], media)
    assert done.returncode == 2, done.stdout + done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("chronav: unknown config key 'bogus'")
    assert "exit code 2" in last
    assert not (media / "bad").exists()


def test_a_failed_job_is_exit_code_1_here(head: str, media: Path) -> None:
    arguments = ["ingest", "media", "--table", "bad", "--address", head, "--json"]
    done = _call(arguments, media, MLFLOW_TRACKING_URI="nonsense://store")
    assert done.returncode == 1, done.stdout + done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert (outcome["status"], outcome["exit_code"]) == ("FAILED", 1)
    assert "nonsense" in outcome["error"]["message"]


def test_ctrl_c_leaves_the_job_running_and_says_how_to_go_on(head: str, media: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "chronav", "submit", "ingest", "none", "--table", "t", "--address", head],
        cwd=media,
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    submission_id = process.stderr.readline().split()[1].rstrip(";")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"ray job logs --address {head} --follow {submission_id}" in err
    assert f"ray job stop --address {head} {submission_id}" in err

    end = time.monotonic() + JOB_S
    job: dict[str, Any] = {}
    while time.monotonic() < end and job.get("status") not in ("FAILED", "STOPPED", "SUCCEEDED"):
        time.sleep(0.3)
        job = requests.get(f"{head}/api/jobs/{submission_id}", timeout=10).json()
    # It came to its own end, a missing folder, and was not stopped.
    assert (job["status"], job["driver_exit_code"]) == ("FAILED", 2)


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("http://127.0.0.1:9", "unreachable"),
        ("127.0.0.1:9", "unreachable"),
        ("ray://127.0.0.1:10001", "bad_address"),
        ("http://", "bad_address"),
    ],
)
def test_an_address_where_no_cluster_answers(address: str, code: str) -> None:
    with pytest.raises(CallError) as caught:
        submit(["ingest", "media", "--table", "T"], address)
    assert caught.value.code == code
    assert address in str(caught.value)


def test_a_host_that_swallows_everything_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit_module, "_ANSWER_S", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(CallError, match="no Ray dashboard answers"):
            submit(["demo"], f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_a_bad_command_is_refused_before_the_cluster_is_asked(tmp_path: Path) -> None:
    for command in ([], ["bogus"], ["ingest", "media"]):
        with pytest.raises(CallError) as caught:
            submit(command, "http://127.0.0.1:9")
        assert caught.value.code == "usage"
    with pytest.raises(CallError) as caught:
        submit(["demo"], "http://127.0.0.1:9", str(tmp_path / "none"))
    assert caught.value.code == "missing_folder"


@pytest.mark.parametrize(("driver", "code"), [(2, 2), (1, 1), (137, 137), (None, 1), (-9, 1), (0, 1)])
def test_exit_codes_of_jobs_that_did_not_succeed(driver: int | None, code: int) -> None:
    assert submit_module._failure_code(driver) == code
