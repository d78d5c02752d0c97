from __future__ import annotations

import json
from collections import Counter

import pytest

from pipelines.sources.base import SourceItem
from pipelines.task import make_tasks


def sizes(files: int, per_task: int, per_commit: int, workers: int) -> list[list[int]]:
    """How many files each task has, batch by batch; no file is left out or there twice."""
    items = [SourceItem(f"/{n}", 1, 1.0, str(n), "folder") for n in range(files)]
    tasks = make_tasks(items, {"/3": "known"}, per_task, per_commit, workers)
    given = [(item["uri"], sha256) for task in tasks for item, sha256 in json.loads(task["files"])]
    assert given == [(item.uri, "known" if item.uri == "/3" else None) for item in items]
    batches: dict[str, list[int]] = {}
    for task in tasks:
        batches.setdefault(task["batch_id"], []).append(len(json.loads(task["files"])))
    return list(batches.values())


def test_a_batch_is_committed_whole() -> None:
    assert sizes(20, 4, 10, workers=1) == [[4, 4, 2], [4, 4, 2]]
    assert sizes(3, 8, 64, workers=1) == [[3]]
    assert sizes(0, 8, 64, workers=2) == []


@pytest.mark.parametrize("workers", [2, 3, 16])
def test_the_last_tasks_are_small_so_that_no_worker_idles(workers: int) -> None:
    batches = sizes(1000, 8, 64, workers)
    assert all(sum(batch) == 64 for batch in batches[:-1])
    found = [size for batch in batches for size in batch]
    assert found[:20] == [8] * 20
    assert found[-2 * workers :] == [1] * (2 * workers)
    assert Counter(found)[8] > 0.6 * len(found) or workers == 16
    assert sizes(workers, 8, 64, workers) == [[1] * workers]
