"""The rows of a clip table in the peers' own formats: the same JPEG and FLAC bytes, one record a row.

The fastest sensible layout of both: all JPEGs of a row back to back in one blob, with their ends beside it, so that
a record is read in one piece and any frame can be decoded by itself. (A tar member for each JPEG costs a header and
a Python loop a frame.) webdataset: tar shards with the members `json`, `jpegs` and `flac`. litdata: chunks of
dictionaries of bytes, read in place through a memory map.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.table import RowGroup, read_row_group
from trainer.sample import StoredRow

_META = ["clip_id", "video_id", "fps", "n_frames", "source_fps", "audio_valid_start_s", "audio_valid_end_s"]
_CHUNK = 64 * 2**20  # bytes of a shard or a chunk


class Pictures:
    """The JPEGs of a record, by index, without copying them."""

    def __init__(self, blob: Any, ends: list[int]) -> None:
        self._blob, self._ends = memoryview(blob), ends

    def __getitem__(self, index: int) -> memoryview:
        return self._blob[self._ends[index - 1] if index else 0 : self._ends[index]]


def stored_row(record: Mapping[str, Any]) -> StoredRow:
    """What the trainer makes samples of, from a peer's record."""
    meta = json.loads(record["json"])
    return StoredRow(
        meta["clip_id"],
        meta["video_id"],
        meta["fps"],
        meta["n_frames"],
        meta["source_fps"],
        Pictures(record["jpegs"], meta["ends"]),
        record["flac"],
        (meta["audio_valid_start_s"], meta["audio_valid_end_s"]),
    )


def records(group: RowGroup) -> Iterator[dict[str, bytes]]:
    """The rows of a row group as a peer stores them."""
    for row in read_row_group(group, [*_META, "frames", "audio"]).to_pylist():
        ends = np.cumsum([len(jpeg) for jpeg in row["frames"]]).tolist()
        meta = {name: row[name] for name in _META} | {"ends": ends}
        yield {"json": json.dumps(meta).encode(), "jpegs": b"".join(row["frames"]), "flac": row["audio"]}


def write_webdataset(folder: Path, groups: list[RowGroup]) -> None:
    """Write tar shards of about 64 MiB."""
    folder.mkdir(parents=True)
    everything = (record for group in groups for record in records(group))
    for number, shard in enumerate(_shards(everything)):
        with tarfile.open(folder / f"{number:05d}.tar", "w") as file:
            for name, blob in shard:
                member = tarfile.TarInfo(name)
                member.size = len(blob)
                file.addfile(member, io.BytesIO(blob))


def _shards(everything: Iterator[dict[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    """The members of each shard: (name, content)."""
    members: list[tuple[str, bytes]] = []
    for key, record in enumerate(everything):
        members += [(f"{key:08d}.{name}", blob) for name, blob in record.items()]
        if sum(len(blob) for _, blob in members) >= _CHUNK:
            yield members
            members = []
    if members:
        yield members


def write_litdata(folder: Path, groups: list[RowGroup]) -> None:
    """Write chunks of at most 64 MiB."""
    import litdata

    litdata.optimize(
        records, groups, str(folder), chunk_bytes=_CHUNK, num_workers=1, start_method="spawn", verbose=False
    )
