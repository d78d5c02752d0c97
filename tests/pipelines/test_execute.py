"""Tasks on a cluster: all of them run, and none goes on when nobody wants it any more."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray.data

from chronav.errors import JobError
from pipelines import execute
from pipelines.execute import _run, _salvaged


def note(row: dict[str, str], folder: str, seconds: float = 0.0) -> dict[str, str]:
    """A task that leaves a file when it begins; all but the first take a while."""
    Path(folder, row["name"]).touch()
    if row["name"] != "0":
        time.sleep(seconds)
    return {"name": row["name"] + "!"}


def fail(row: dict[str, str]) -> dict[str, str]:
    raise ValueError(f"nothing is to be done with {row['name']}")


def wait(row: dict[str, str]) -> dict[str, str]:
    time.sleep(4)
    return row


class NotStarted(Exception):
    pass


def start_nothing(row: dict[str, str]) -> dict[str, str]:
    raise NotStarted("no module named 'av'")


def die(row: dict[str, str], log: str) -> dict[str, str]:
    with open(log, "a") as file:
        file.write(row["name"])
    os._exit(137)


def rows(count: int) -> list[dict[str, str]]:
    return [{"name": str(number)} for number in range(count)]


@pytest.mark.parametrize(("cpus", "tasks", "size"), [(1.0, 100, 4), (3.0, 100, 12), (3.0, 5, 5)])
def test_as_many_tasks_are_on_the_cluster_as_keep_all_its_cpus_at_work(
    cpus: float, tasks: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools: list[ray.data.TaskPoolStrategy] = []

    class Items:
        """A data set that runs here, in place of Ray's."""

        def __init__(self, items: list[dict[str, str]], override_num_blocks: int) -> None:
            self._items = items
            assert override_num_blocks == len(items)

        def map(self, work: Callable, compute: ray.data.TaskPoolStrategy, **_: object) -> Items:
            pools.append(compute)
            return Items([work(item) for item in self._items], len(self._items))

        def iter_rows(self) -> Iterator[dict[str, str]]:
            return iter(self._items)

    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": cpus})
    monkeypatch.setattr(ray.data, "from_items", Items)
    answers = list(_run(rows(tasks), lambda row: {"name": row["name"] + "!"}, "t"))
    assert answers == [{"name": f"{number}!"} for number in range(tasks)]
    assert [pool.size for pool in pools] == [size]


def test_every_task_answers_once(ray_local: None, tmp_path: Path) -> None:
    answers = [answer["name"] for answer in _run(rows(40), partial(note, folder=str(tmp_path)), "t")]
    assert sorted(answers) == sorted(f"{number}!" for number in range(40))


def test_more_tasks_than_are_run_at_once(
    ray_local: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "_TASKS_AT_ONCE", 3)
    answers = [answer["name"] for answer in _run(rows(8), partial(note, folder=str(tmp_path)), "t")]
    assert sorted(answers) == sorted(f"{number}!" for number in range(8))


def test_a_job_in_which_no_task_ends_for_long_goes_on(
    ray_local: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ray.data.DataContext.get_current()
    monkeypatch.setattr(context, "execution_no_progress_timeout_s", 1)
    assert [answer["name"] for answer in _run(rows(1), wait, "t")] == ["0"]


def test_an_error_of_any_name_is_in_the_line(ray_local: None) -> None:
    with pytest.raises(JobError, match=r"^ingest stopped: .*NotStarted: no module named 'av'$"):
        list(_run(rows(1), start_nothing, "t"))


def test_a_task_that_fails_ends_the_job_with_one_line(ray_local: None) -> None:
    with pytest.raises(JobError, match=r"ingest stopped: .*nothing is to be done with 0") as error:
        list(_run(rows(1), fail, "t"))
    assert (error.value.code, error.value.path) == ("ray", "t")
    assert "\n" not in str(error.value)


def test_a_task_that_takes_its_worker_along_is_not_tried_for_ever(
    ray_local: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "_RETRIES", 2)
    with pytest.raises(JobError, match=r"ingest stopped: .*died"):
        list(_run(rows(1), partial(die, log=str(tmp_path / "log")), "t"))
    assert (tmp_path / "log").read_text() == "000"


@pytest.mark.parametrize(
    "error", [JobError("ingest stopped: disk full", code="ray", path="t"), KeyboardInterrupt()]
)
def test_what_is_whole_is_committed_before_a_job_ends_early(error: BaseException) -> None:
    calls: list[str] = []
    batches = SimpleNamespace(salvage=lambda *_: calls.append("salvage"))
    lease = SimpleNamespace(check=lambda: calls.append("check"))

    def answers() -> Iterator[dict[str, str]]:
        yield {"name": "0"}
        raise error

    salvaged = _salvaged(answers(), batches, lease)  # type: ignore[arg-type]
    assert next(salvaged) == {"name": "0"}
    with pytest.raises(type(error)):
        next(salvaged)
    assert calls == ["check", "salvage"]


def test_what_is_whole_is_committed_while_an_answer_is_long_in_coming(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(execute, "_LOOKED_AFTER_S", 0.01)
    waited: queue.Queue[float] = queue.Queue()
    batches = SimpleNamespace(salvage=waited.put)
    lease = SimpleNamespace(check=lambda: None)

    def answers() -> Iterator[dict[str, str]]:
        assert waited.get(timeout=10) == execute._PATIENCE_S  # a slow file, until somebody has looked
        yield {"name": "0"}

    assert list(_salvaged(answers(), batches, lease)) == [{"name": "0"}]  # type: ignore[arg-type]


def test_what_goes_wrong_meanwhile_ends_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "_LOOKED_AFTER_S", 0.01)
    noticed = threading.Event()

    def lost() -> None:
        noticed.set()
        raise JobError("another ingest has the table", code="concurrent_ingest", path="t")

    def answers() -> Iterator[dict[str, str]]:
        assert noticed.wait(10)
        yield {"name": "0"}

    salvaged = _salvaged(answers(), SimpleNamespace(), SimpleNamespace(check=lost))  # type: ignore[arg-type]
    with pytest.raises(JobError, match="another ingest"):
        list(salvaged)


def test_what_waits_is_never_begun_when_the_job_stops(ray_local: None, tmp_path: Path) -> None:
    answers = _run(rows(100), partial(note, folder=str(tmp_path), seconds=1.5), "t")
    next(answers)
    answers.close()
    time.sleep(0.5)
    begun = len(list(tmp_path.iterdir()))
    time.sleep(2.0)  # in which those that wait would begin
    assert len(list(tmp_path.iterdir())) == begun
