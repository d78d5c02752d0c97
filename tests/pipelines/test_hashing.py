"""Files read for their hashes, and files that cannot be."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines import hashing
from pipelines.hashing import SHORT, hash_task, make_hash_tasks, read_hashes
from pipelines.isolate import Isolated


@pytest.fixture(autouse=True)
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A reading process that ends with the test."""
    process = Isolated("pipelines.hashing:content_hash")
    monkeypatch.setattr(hashing, "_READER", process)
    yield
    process.close()


def test_what_hangs_or_is_gone_has_no_hash_and_costs_no_other(tmp_path: Path, as_item: Callable) -> None:
    for name in ("a", "gone", "z"):
        (tmp_path / name).write_text(name)
    os.mkfifo(tmp_path / "pipe")  # nobody writes to it: to open it is to wait
    items = [as_item(tmp_path / name) for name in ("a", "gone", "pipe", "z")]
    (tmp_path / "gone").unlink()
    (task,) = make_hash_tasks(items, [True] * 4, per_task=16)
    assert read_hashes(hash_task(task, timeout_s=2.0)) == {
        str(tmp_path / name): hashlib.sha256(name.encode()).hexdigest() for name in ("a", "z")
    }


def test_a_fingerprint_is_that_of_both_ends(tmp_path: Path, as_item: Callable) -> None:
    data = os.urandom(3 * SHORT)
    middle, head, tail = (bytearray(data) for _ in range(3))
    middle[len(data) // 2] ^= 1
    head[0] ^= 1
    tail[-1] ^= 1
    contents = {"a": data, "middle": middle, "head": head, "tail": tail}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    items = [as_item(tmp_path / name) for name in contents]
    found = {}
    for task in make_hash_tasks(items * 2, [False] * 4 + [True] * 4, per_task=4):
        found[len(found)] = list(read_hashes(hash_task(task, timeout_s=60.0)).values())
    a, other, first, last = found[0]
    assert a == other
    assert len({a, first, last}) == 3
    assert found[1] == [hashlib.sha256(content).hexdigest() for content in contents.values()]
