"""Decoders that crash and hang, within the task that would run on a worker."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines import guarded
from pipelines.config import IngestConfig
from pipelines.decode import decode_file
from pipelines.guarded import decode_guarded, limit_s
from pipelines.isolate import Isolated
from pipelines.schema import Reason, Status
from pipelines.task import make_tasks, read_done, run_task

CONFIG = IngestConfig(fps=8.0, short_side=32, sample_rate=8000)

FAULTY = """
import os, signal, time
from pipelines.decode import decode_file as right

def decode_file(item, config, known_sha256):
    if "crash" in item.video_id:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "hang" in item.video_id:
        time.sleep(3600)
    return right(item, config, known_sha256)
"""


@pytest.fixture
def faulty_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A decoder that crashes on files named `crash` and hangs on files named `hang`."""
    (tmp_path / "faulty_decoder.py").write_text(FAULTY)
    monkeypatch.syspath_prepend(tmp_path)
    process = Isolated("faulty_decoder:decode_file")
    monkeypatch.setattr(guarded, "_DECODER", process)
    yield
    process.close()


def test_a_crash_and_a_hang_cost_one_file_each(
    tmp_path: Path, tiny: Callable, as_item: Callable, faulty_decoder: None
) -> None:
    names = ("a.mp4", "crash.mp4", "b.mp4", "hang.mp4", "crash again.mp4", "c.mp4")
    items = [as_item(tiny(tmp_path / "media" / name, 1.0)) for name in names]
    config = CONFIG.model_copy(update={"timeout_s": 3.0})
    table = tmp_path / "t"
    table.mkdir()
    (task,) = make_tasks(items, {}, files_per_task=8, files_per_commit=8)
    done = read_done(run_task(task, str(table), config))
    became = {Path(row["source_uri"]).stem: (row["status"], row["reason"], row["clips"]) for row in done.rows}
    assert became == {
        **{name: (Status.OK, None, 1) for name in "abc"},
        "crash": (Status.FAILED, Reason.CRASHED_DECODER, 0),
        "crash again": (Status.FAILED, Reason.CRASHED_DECODER, 0),
        "hang": (Status.FAILED, Reason.TIMEOUT, 0),
    }
    messages = Counter(row["message"] for row in done.rows)
    assert messages == {None: 3, "ended by SIGSEGV": 2, "more than 3 s": 1}
    assert done.part is not None
    stored = pq.read_table(table / done.part.name, columns=["video_id"])["video_id"].to_pylist()
    assert stored == ["a", "b", "c"]


def test_the_result_is_that_of_the_decoder(tmp_path: Path, tiny: Callable, as_item: Callable) -> None:
    item = as_item(tiny(tmp_path / "a.mp4"))
    guarded_result, direct = decode_guarded(item, CONFIG), decode_file(item, CONFIG)
    assert guarded_result.rows == direct.rows
    assert guarded_result.sha256 == direct.sha256
    assert decode_guarded(item, CONFIG, direct.sha256).unchanged


def test_large_files_have_more_time() -> None:
    assert limit_s(0, 10.0) == limit_s(2**24, 10.0) == 10.0
    assert limit_s(2**24 + 1, 10.0) == 20.0
    assert limit_s(2**30, 10.0) == 640.0


def test_the_task_of_a_worker_loads_no_decoder() -> None:
    code = (
        "import sys, pipelines.task\n"
        "found = {'av', 'decord'} & set(sys.modules)\n"
        "sys.exit(repr(found) if found else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_answers_of_tasks_are_text(tmp_path: Path, tiny: Callable, as_item: Callable) -> None:
    (tmp_path / "t").mkdir()
    (task,) = make_tasks([as_item(tiny(tmp_path / "a.mp4"))], {}, 8, 8)
    answer = run_task(task, str(tmp_path / "t"), CONFIG)
    assert json.loads(answer["done"])["decoded"] == 1
