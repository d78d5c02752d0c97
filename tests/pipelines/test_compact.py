from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from chronav.errors import JobError
from pipelines import writer
from pipelines.commit import Batch, ClipTable
from pipelines.compact import SMALL_BYTES, as_task, choose, commit_merged, merge_task
from pipelines.config import IngestConfig
from pipelines.schema import CLIP_SCHEMA
from pipelines.table import open_table, read_meta
from pipelines.transaction import parts_of
from pipelines.writer import Part, PartWriter

MB = 2**20


def sizes(groups: list[list[Part]]) -> list[list[int]]:
    return [[part.size // MB for part in group] for group in groups]


def parts(*megabytes: int) -> list[Part]:
    return [Part(f"{index}", size * MB, 1) for index, size in enumerate(megabytes)]


@pytest.mark.parametrize(
    ("megabytes", "all_small", "expected"),
    [
        ((), True, []),
        ((5,), True, []),
        ((5, 6), True, [[5, 6]]),
        ((5, 6), False, []),
        ((100, 100), False, [[100, 100]]),
        ((100, 300, 100), False, [[100, 100]]),  # a large file stays as it is
        ((100, 100, 100, 60, 50), False, [[100, 100, 100]]),
        ((100, 100, 100, 60, 50), True, [[100, 100, 100], [60, 50]]),
        ((100, 100, 100, 60), True, [[100, 100, 100]]),
        ((128, 128), True, []),
    ],
)
def test_what_is_merged(megabytes: tuple[int, ...], all_small: bool, expected: list[list[int]]) -> None:
    assert sizes(choose(parts(*megabytes), all_small)) == expected


def test_merged_files_are_neither_small_nor_too_large() -> None:
    groups = choose(parts(*[1 + (7 * index) % 127 for index in range(500)]), all_small=False)
    assert all(SMALL_BYTES <= sum(part.size for part in group) <= 4 * SMALL_BYTES for group in groups)
    rest = 500 - sum(map(len, groups))
    assert 0 <= rest < 128


ROW_GROUP = 2**20


@pytest.fixture
def table(tmp_path: Path, clip: Callable, monkeypatch: pytest.MonkeyPatch) -> ClipTable:
    """Six parts of two videos each; the media of two clips fill more than half of a row group."""
    monkeypatch.setattr(writer, "ROW_GROUP_BYTES", ROW_GROUP)
    table = ClipTable(str(tmp_path / "t"), IngestConfig())
    for n in range(6):
        with PartWriter(table.path) as part:
            for video in (f"{n}a", f"{n}b"):
                data = bytes(ROW_GROUP // 15) + video.encode()
                part.add([clip(video, f"/s/{video}", index, data) for index in range(2)])
        assert part.part is not None
        table.commit(Batch(f"batch{n}", [part.part]), set(), True, "none")
    return table


def whole(table: ClipTable) -> pa.Table:
    rows = [pq.read_table(f"{table.path}/{part.name}", schema=CLIP_SCHEMA) for part in parts_of(table.clips)]
    return pa.concat_tables(rows).sort_by("clip_id")


def test_rows_are_as_before_in_few_well_made_files(table: ClipTable) -> None:
    before, version = whole(table), table.clips.version()
    [group] = choose(parts_of(table.clips), all_small=True)
    answer = merge_task(as_task(group), table.path)
    assert whole(table).equals(before), "nothing is seen of it before the commit"
    assert commit_merged(table, answer)
    assert whole(table).equals(before)
    [merged] = parts_of(table.clips)
    assert (merged.rows, merged.silent, merged.first_uri, merged.last_uri) == (24, 12, "/s/0a", "/s/5b")
    metadata = pq.read_metadata(f"{table.path}/{merged.name}")
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    assert all(0.6 * ROW_GROUP < rows.total_byte_size <= 1.1 * ROW_GROUP for rows in groups[:-1])
    media = [
        rows.column(index)
        for rows in groups
        for index in range(rows.num_columns)
        if rows.column(index).path_in_schema.partition(".")[0] in ("frames", "audio")
    ]
    assert len(media) == 2 * len(groups)
    assert all(column.statistics is None for column in media)
    old = read_meta(open_table(table.path, version), ("clip_id",))
    assert len(old) == 24, "the version before is still readable"


def test_a_group_that_a_foreign_writer_has_merged_is_left(table: ClipTable) -> None:
    [group] = choose(parts_of(table.clips), all_small=True)
    answer = merge_task(as_task(group), table.path)
    DeltaTable(table.path).optimize.compact()
    assert not commit_merged(table, answer)
    assert len(read_meta(table.clips, ("clip_id",))) == 24


def test_a_group_that_an_ingest_has_rewritten_is_left(table: ClipTable) -> None:
    [group] = choose(parts_of(table.clips), all_small=True)
    answer = merge_task(as_task(group), table.path)
    other = ClipTable(table.path, table.config)
    other.commit(Batch("other", dropped=["/s/0a"]), {"/s/0a"}, False, "none")
    with pytest.raises(JobError, match="another ingest"):
        commit_merged(table, answer)
    table.clips.update_incremental()
    assert len(read_meta(table.clips, ("clip_id",))) == 22
