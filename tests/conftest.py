"""What tests share: one local Ray for the whole session, the real media samples, an MLflow store of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

REAL_DATA = Path(os.environ.get("CHRONAV_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if REAL_DATA.is_dir():
        return
    missing = pytest.mark.skip(reason=f"no media samples at {REAL_DATA} (set CHRONAV_TEST_DATA)")
    for item in items:
        if "realdata" in item.keywords:
            item.add_marker(missing)


@pytest.fixture(scope="session")
def real_data() -> Path:
    return REAL_DATA


@pytest.fixture(scope="session")
def ray_local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One private Ray, shared by all tests that need one; jobs called in this process use it."""
    from chronav.cluster import connected

    with connected(min_cpus=4):
        yield


@pytest.fixture(autouse=True)
def own_mlflow(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of tests go to one throw-away store, never to the developer's."""
    base = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{base}/mlflow.db")


@dataclass(frozen=True)
class S3Server:
    """A local S3 server. `log`: a line a request, `METHOD PATH IF-NONE-MATCH`."""

    endpoint: str
    log: Path

    def requests(self) -> list[list[str]]:
        return [line.rsplit(" ", 1)[0].split(" ", 1) for line in self.log.read_text().splitlines()]


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One for the whole session, in a process of its own."""
    log = tmp_path_factory.mktemp("s3") / "requests"
    script = Path(__file__).with_name("s3_server.py")
    with subprocess.Popen([sys.executable, script, log], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield S3Server(f"http://127.0.0.1:{int(server.stdout.readline())}", log)
        server.kill()


@pytest.fixture
def s3_environment(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The variables of a user of that server, and nothing that this process remembers of others."""
    import s3fs

    from chronav import remote

    def forget() -> None:
        remote._check.cache_clear()
        s3fs.S3FileSystem.clear_instance_cache()

    forget()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    yield
    forget()


@pytest.fixture
def bucket(s3_environment: None) -> str:
    """The URL of a new bucket."""
    from chronav import remote

    url = f"s3://bucket-{uuid.uuid4().hex}"
    remote.FileSystem(url).mkdir(url)
    return url
