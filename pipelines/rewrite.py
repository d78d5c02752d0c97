"""Parts of a clip table written anew: without the clips of some source files, or with near duplicates marked."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from chronav import storage
from pipelines.schema import CLIP_SCHEMA
from pipelines.transaction import Actions, add, remove
from pipelines.writer import Part, PartWriter


def without(table: str, parts: Iterable[Part], uris: set[str]) -> Actions:
    """Actions that put, for each of the `parts` with clips of the sources `uris`, a part without them.

    The other clips are copied a row group at a time, media as they are.
    """
    actions: Actions = []
    wanted = sorted(uris)
    for part in parts:
        if not may_hold(part, wanted):
            continue
        rest = _rest(table, part, wanted)
        if rest is not None:
            actions += [remove(part), *(add(kept) for kept in rest)]
    return actions


def mark(table: str, part: Part, near: Mapping[str, str]) -> Part:
    """A part that no commit names yet, with `near_duplicate_of` set: video id -> id of the earlier video.

    Another one takes its place where it holds one of these videos.
    """
    fs, path = storage.arrow_fs(storage.join(table, part.name))
    column = CLIP_SCHEMA.get_field_index("near_duplicate_of")
    with pq.ParquetFile(path, filesystem=fs) as file:
        if near.keys().isdisjoint(file.read(columns=["video_id"])["video_id"].to_pylist()):
            return part
        with PartWriter(table) as writer:
            for index in range(file.num_row_groups):
                rows = file.read_row_group(index).cast(CLIP_SCHEMA)
                of = pa.array([near.get(video_id) for video_id in rows["video_id"].to_pylist()], pa.string())
                writer.add_table(rows.set_column(column, CLIP_SCHEMA.field(column), of))
    storage.remove(storage.join(table, part.name))
    assert writer.part is not None
    return writer.part


def may_hold(part: Part, uris: Sequence[str]) -> bool:
    """Whether a part can hold clips of one of the sorted `uris`, as far as the log tells."""
    if part.first_uri is None or part.last_uri is None:
        return True
    at = bisect_left(uris, part.first_uri)
    return at < len(uris) and uris[at] <= part.last_uri


def _rest(table: str, part: Part, uris: list[str]) -> list[Part] | None:
    """The part file without the clips of some sources; None when it has none of them."""
    gone = pa.array(uris, pa.string())
    fs, path = storage.arrow_fs(storage.join(table, part.name))
    with pq.ParquetFile(path, filesystem=fs) as file:
        held = file.read(columns=["source_uri"])["source_uri"].cast(pa.string())
        if not pc.any(pc.is_in(held, gone)).as_py():
            return None
        with PartWriter(table) as writer:
            for index in range(file.num_row_groups):
                rows = file.read_row_group(index).cast(CLIP_SCHEMA)
                kept = rows.filter(pc.invert(pc.is_in(rows["source_uri"], gone)))
                if len(kept):
                    writer.add_table(kept)
    return [writer.part] if writer.part else []
