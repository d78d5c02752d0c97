"""What tests share: one local Ray for the whole session, the real media samples, an MLflow store of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
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
