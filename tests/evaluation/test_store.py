"""Features come back as they were kept, and only where everything that they depend on is the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from evaluation.embedder import ClipShape
from evaluation.store import Store, TableVersion

SHAPE = ClipShape("video", 8, 1, 16_000)
TABLE = TableVersion("/t", "id", 3)


def test_what_is_kept_is_read_and_more_may_be_added(tmp_path: Path) -> None:
    store = Store(str(tmp_path), {"export": "a"}, TABLE, SHAPE, 2)
    assert store.read() == {}
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    store.add(["x", "y", "z"], np.array([0, 0, 2, 2]), np.array([0, 1, 0, 1]), vectors)
    store.add(["x", "y", "z"], np.array([1]), np.array([0]), vectors[:1] + 50)
    kept = Store(str(tmp_path), {"export": "a"}, TABLE, SHAPE, 2).read()
    assert sorted(kept) == ["x", "y", "z"]
    assert kept["z"].vectors.tolist() == vectors[2:].tolist()
    assert kept["z"].clip.tolist() == [0, 1]
    assert kept["y"].vectors.tolist() == [[50, 51, 52]]
    (first, _) = sorted(Path(store.path).iterdir())
    assert pq.read_schema(first).names == ["video_id", "clip", "vector"]


def test_another_export_table_version_or_cut_has_another_place(tmp_path: Path) -> None:
    def path(
        network: str = "a", table: TableVersion = TABLE, shape: ClipShape = SHAPE, clips: int = 2
    ) -> str:
        return Store(str(tmp_path), {"export": network}, table, shape, clips).path

    others = [
        path(network="b"),
        path(table=replace(TABLE, version=4)),
        path(table=replace(TABLE, id="made anew at the same place")),
        path(shape=replace(SHAPE, length=16)),
        path(shape=replace(SHAPE, crops=3)),
        path(clips=3),
    ]
    assert len({path(), *others}) == 7
    assert path() == path()
