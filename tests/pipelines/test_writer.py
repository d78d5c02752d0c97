from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from pipelines.schema import CLIP_SCHEMA
from pipelines.writer import ROW_GROUP_BYTES, PartWriter


def row(index: int, frame_bytes: int = 10) -> dict:
    return {
        "clip_id": f"v:{index}",
        "video_id": "v",
        "splits": [("s/1", "test")],
        "frames": [bytes(frame_bytes)] * 4,
        "audio": bytes(frame_bytes),
    }


def test_a_part_holds_what_was_added(tmp_path: Path) -> None:
    with PartWriter(str(tmp_path)) as writer:
        writer.add([row(0), row(1)])
        writer.add([])
        writer.add([row(2)])
    assert writer.part is not None
    path = tmp_path / writer.part.name
    assert (writer.part.rows, writer.part.size) == (3, path.stat().st_size)
    table = pq.read_table(path)
    assert table.schema.equals(CLIP_SCHEMA)
    assert table["clip_id"].to_pylist() == ["v:0", "v:1", "v:2"]
    assert table["splits"][0].as_py() == [("s/1", "test")]


def test_no_rows_no_file(tmp_path: Path) -> None:
    with PartWriter(str(tmp_path)) as writer:
        writer.add([])
    assert writer.part is None
    assert not list(tmp_path.iterdir())


def test_row_groups_stay_small_and_binaries_have_no_statistics(tmp_path: Path) -> None:
    with PartWriter(str(tmp_path)) as writer:
        writer.add([row(index, ROW_GROUP_BYTES // 20) for index in range(12)])  # a quarter of the limit each
    assert writer.part is not None
    metadata = pq.ParquetFile(tmp_path / writer.part.name).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [3, 3, 3, 3]
    for i in range(metadata.row_group(0).num_columns):
        column = metadata.row_group(0).column(i)
        if (
            column.path_in_schema.startswith(("frames", "audio.", "splits"))
            or column.path_in_schema == "audio"
        ):
            assert column.statistics is None, column.path_in_schema


def test_the_media_of_a_row_group_are_one_page(tmp_path: Path) -> None:
    """Arrow says nothing of pages: each begins with a header, which here comes where the last one's values end."""
    with PartWriter(str(tmp_path)) as writer:
        writer.add([row(index, frame_bytes=400_000) for index in range(6)])  # 9.6 MB of frames
    assert writer.part is not None
    path = tmp_path / writer.part.name
    metadata = pq.ParquetFile(path).metadata.row_group(0)
    columns = [metadata.column(index) for index in range(metadata.num_columns)]
    frames = next(column for column in columns if column.path_in_schema.startswith("frames"))
    chunk = path.read_bytes()[frames.data_page_offset :][: frames.total_compressed_size]
    # What lies between values is their length and, at the start of a page, a header: here once, before the first.
    between = chunk.split(bytes(400_000))
    assert len(between) == 6 * 4 + 1
    assert [len(gap) for gap in between[1:-1]] == [4] * (6 * 4 - 1)
