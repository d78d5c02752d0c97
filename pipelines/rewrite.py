"""Parts of a clip table written anew: without the clips of some source files, with what is said of them now, or with
near duplicates marked. Media are copied as they are, a row group at a time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from chronav import storage
from pipelines.schema import ANNOTATION_COLUMNS, CLIP_SCHEMA
from pipelines.sources.base import SourceItem
from pipelines.transaction import Actions, add, remove
from pipelines.writer import Part, PartWriter


def without(table: str, parts: Iterable[Part], uris: set[str]) -> Actions:
    """Actions that put, for each of the `parts` with clips of the sources `uris`, a part without them."""
    gone = pa.array(sorted(uris), pa.string())
    return _anew(table, parts, uris, lambda rows: rows.filter(pc.invert(pc.is_in(rows["source_uri"], gone))))


def annotated(table: str, parts: Iterable[Part], items: Mapping[str, SourceItem]) -> Actions:
    """Actions that put, for each of the `parts` with clips of `items` (by uri), a part that has their annotations."""

    def said(rows: pa.Table) -> pa.Table:
        of_rows = [items.get(uri) for uri in rows["source_uri"].to_pylist()]
        for name in ANNOTATION_COLUMNS:
            field, before = CLIP_SCHEMA.field(name), rows[name].to_pylist()
            now = [
                old if item is None else _value(item, name) for item, old in zip(of_rows, before, strict=True)
            ]
            rows = rows.set_column(CLIP_SCHEMA.get_field_index(name), field, pa.array(now, field.type))
        return rows

    return _anew(table, parts, items.keys(), said)


def held_by(table: str, part: Part, uris: Sequence[str]) -> set[str]:
    """Those of the sorted `uris` that a part has clips of."""
    if not may_hold(part, uris):
        return set()
    fs, path = storage.arrow_fs(storage.join(table, part.name))
    with pq.ParquetFile(path, filesystem=fs) as file:
        held = file.read(columns=["source_uri"])["source_uri"].cast(pa.string()).unique()
    found = held.drop_null().to_pylist()
    return {uri for uri in found if (at := bisect_left(uris, uri)) < len(uris) and uris[at] == uri}


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


def _anew(
    table: str, parts: Iterable[Part], uris: Collection[str], change: Callable[[pa.Table], pa.Table]
) -> Actions:
    """Actions that put, for each of the `parts` with clips of the sources `uris`, what `change` makes of its rows."""
    actions: Actions = []
    wanted = sorted(uris)
    for part in parts:
        if not held_by(table, part, wanted):
            continue
        fs, path = storage.arrow_fs(storage.join(table, part.name))
        with pq.ParquetFile(path, filesystem=fs) as file, PartWriter(table) as writer:
            for index in range(file.num_row_groups):
                rows = change(file.read_row_group(index).cast(CLIP_SCHEMA))
                if len(rows):
                    writer.add_table(rows)
        actions += [remove(part), *([add(writer.part)] if writer.part else [])]
    return actions


def _value(item: SourceItem, column: str) -> object:
    return list(item.splits.items()) if column == "splits" else getattr(item, column)
