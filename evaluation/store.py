"""Features are computed once: Parquet files keyed by what they depend on, shared by all protocols and runs."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from chronav import listing, storage
from evaluation.embedder import ClipShape

FORMAT = 1
"""Changes with the meaning of what is kept: features of another format are not used."""


@dataclass(frozen=True)
class Kept:
    """Features of one video, in the order of its clips and of the crops within a clip."""

    clip: npt.NDArray[np.int64]  # (N,)
    vectors: npt.NDArray[np.float32]  # (N, D)


@dataclass(frozen=True)
class TableVersion:
    """A clip table as it was: `id` tells it from another one that was made at the same place."""

    path: str
    id: str
    version: int


class Store:
    """The features of one network on one table version by one way to cut clips; a folder of Parquet files.

    A file is written whole or not at all, and never changed: jobs may share a store. Two that embed the same video at
    a time keep it twice, and the same.
    """

    def __init__(
        self,
        cache: str,
        network: Mapping[str, Any],
        table: TableVersion,
        shape: ClipShape,
        clips: int,
    ) -> None:
        about = {
            "format": FORMAT,
            "network": dict(network),
            "table": asdict(table),
            "cut": {**asdict(shape), "clips": clips},
        }
        self._about = json.dumps(about, sort_keys=True)
        key = hashlib.sha256(self._about.encode()).hexdigest()[:20]
        self.path = storage.absolute(storage.join(cache, "features", key))

    def read(self) -> dict[str, Kept]:
        """Video id -> its features, of all that is kept."""
        return read_kept(self.path)

    def add(
        self,
        video_ids: Sequence[str],
        owner: npt.NDArray[np.int64],
        clip: npt.NDArray[np.int64],
        vectors: npt.NDArray[np.float32],
    ) -> None:
        """Keep features (N, D) of the videos `owner` (N,), which index `video_ids`, sorted by owner and clip."""
        rows = pa.table(
            {
                "video_id": pa.array([video_ids[i] for i in owner], pa.string()),
                "clip": pa.array(clip, pa.int32()),
                "vector": vectors_column(vectors),
            }
        ).replace_schema_metadata({"chronav.features": self._about})
        buffer = io.BytesIO()
        pq.write_table(rows, buffer)
        data = buffer.getvalue()
        name = f"part-{hashlib.sha256(data).hexdigest()[:16]}.parquet"
        storage.write_bytes(storage.join(self.path, name), data)


def read_kept(path: str) -> dict[str, Kept]:
    """Video id -> its features, of all that the store in the folder `path` holds."""
    if not storage.is_dir(path):
        return {}
    found: dict[str, Kept] = {}
    for file in listing.list_files(path):
        if file.uri.endswith(".parquet"):
            found |= _by_video(pq.read_table(io.BytesIO(storage.read_bytes(file.uri))))
    return found


def vectors_column(vectors: npt.NDArray[np.float32]) -> pa.FixedSizeListArray:
    """(N, D) as a column of lists of D numbers."""
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).ravel(), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])


def _by_video(rows: pa.Table) -> dict[str, Kept]:
    if rows.num_rows == 0:
        return {}
    column = rows["vector"].combine_chunks()
    vectors = column.flatten().to_numpy().reshape(rows.num_rows, -1)
    clip = rows["clip"].to_numpy().astype(np.int64)
    ids = np.array(rows["video_id"].to_pylist(), dtype=object)
    begins = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
    ends = np.r_[begins[1:], ids.size]
    return {ids[b]: Kept(clip[b:e], vectors[b:e]) for b, e in zip(begins, ends, strict=True)}
