from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from chronav.errors import CallError
from pipelines.inspect.numbers import overview
from pipelines.schema import MEDIA_COLUMNS
from pipelines.table import data_files, open_table


def test_counts_of_a_known_table(small: str) -> None:
    n = overview(small).numbers
    keys = (
        "files",
        "ok",
        "rejected",
        "failed",
        "videos",
        "segments",
        "segments_with_sound",
        "segments_with_video",
    )
    assert [n[key] for key in keys] == [8, 3, 0, 5, 3, 4, 3, 3]
    assert n["hours"] == pytest.approx({"video": 8 / 3600, "sound": 9 / 3600})
    assert (n["segment_seconds"]["min"], n["segment_seconds"]["max"]) == (2.0, 4.0)
    assert (n["video_seconds"]["min"], n["video_seconds"]["max"], n["video_seconds"]["n"]) == (2.0, 6.0, 3)
    assert n["sizes"] == [{"width": 48, "height": 32, "segments": 3}]
    assert n["source_fps"] == [{"fps": 25.0, "segments": 3}]
    assert (n["motion"]["n"], n["audio_rms_db"]["n"]) == (3, 3)
    assert (n["table_version"], n["ledger_version"], n["data_files"], n["row_groups"]) == (2, 1, 2, 2)
    assert (n["config"]["fps"], n["config_hashes"], n["schema_versions"]) == (8.0, ["abc"], [1])
    assert n["first_ingested_at"] == n["last_ingested_at"] == "2026-11-26T12:00:00+00:00"
    assert json.loads(json.dumps(n, allow_nan=False)) == n


def test_annotations_are_counted_by_video(small: str) -> None:
    n = overview(small).numbers
    labels = n["labels"]
    assert (labels["distinct"], labels["unlabelled_videos"]) == (2, 1)
    assert [(row["label"], row["videos"], row["segments"]) for row in labels["most"]] == [
        ("Dot", 1, 2), ("Line", 1, 1),
    ]  # fmt: skip
    assert n["splits"] == {"ucf101/1": {"test": 1, "train": 1}, "ucf101/2": {"test": 1}}
    assert (n["groups"]["distinct"], n["groups"]["videos_without"], n["groups"]["most_videos"]) == (1, 2, 1)
    assert n["near_duplicates"] == {"videos": 1, "examples": [{"video_id": "c", "near_duplicate_of": "a"}]}
    [dataset] = n["datasets"]
    assert (dataset["dataset"], dataset["videos"], dataset["segments"]) == ("folder", 3, 4)


def test_reasons_come_with_their_files(small: str) -> None:
    n = overview(small).numbers
    assert n["reasons"] == {"truncated": 1, "unreadable": 5}
    assert (n["source_bytes"], n["decode_seconds"]) == (335, 1.5)
    bad, cut = n["findings"]
    assert (bad["status"], bad["reason"], bad["files"], len(bad["examples"])) == (
        "failed",
        "unreadable",
        5,
        5,
    )
    assert cut == {
        "status": "ok", "reason": "truncated", "files": 1,
        "examples": [{"source_uri": "/media/b", "message": "9 of 10 announced frames are there"}],
    }  # fmt: skip


def test_sizes_on_disk(small: str) -> None:
    n = overview(small).numbers
    files = data_files(open_table(small))
    assert n["bytes"]["table"] == sum(Path(file).stat().st_size for file in files)
    assert n["bytes"]["unused"] == 0
    media = sum(
        len(data or b"") for file in files for row in pq.read_table(file).to_pylist()
        for data in (*row["frames"], row["audio"])
    )  # fmt: skip
    assert 0 < n["bytes"]["frames"] + n["bytes"]["audio"] < 1.1 * media
    assert n["bytes"]["other"] < n["bytes"]["table"]


def test_what_no_version_names_is_counted_apart(tmp_path: Path, clip: Callable, make_table: Callable) -> None:
    table = make_table(tmp_path / "t", [[clip("a:0")]])
    (tmp_path / "t" / "part-of-a-killed-run.parquet").write_bytes(b"x" * 123)
    assert overview(table).numbers["bytes"]["unused"] == 123


def test_the_numbers_are_had_without_reading_media(
    tmp_path: Path, clip: Callable, make_table: Callable
) -> None:
    table = make_table(tmp_path / "t", [[clip("a:0"), clip("b:0")]])
    before = overview(table).numbers
    [path] = data_files(open_table(table))
    footer = pq.read_metadata(path)
    data = bytearray(Path(path).read_bytes())
    for i in range(footer.num_columns):
        column = footer.row_group(0).column(i)
        if column.path_in_schema.partition(".")[0] in MEDIA_COLUMNS:
            first = column.dictionary_page_offset or column.data_page_offset
            data[first : first + column.total_compressed_size] = bytes(column.total_compressed_size)
    Path(path).write_bytes(data)
    with pytest.raises(OSError):
        pq.read_table(path, columns=["frames"])
    assert overview(table).numbers == before


def test_an_older_version_can_be_asked_for(small: str) -> None:
    assert overview(small, version=1).numbers["segments"] == 2


def test_a_table_with_nothing_in_it(tmp_path: Path, make_table: Callable) -> None:
    n = overview(make_table(tmp_path / "t", [])).numbers
    assert (n["segments"], n["videos"], n["files"], n["segment_seconds"]) == (0, 0, 0, None)
    assert (n["labels"]["distinct"], n["splits"], n["findings"], n["last_ingested_at"]) == (0, {}, [], None)


def test_a_table_without_its_ledger(tmp_path: Path, clip: Callable, make_table: Callable) -> None:
    table = make_table(tmp_path / "t", [[clip("a:0")]])
    (tmp_path / "t.ledger").rename(tmp_path / "elsewhere")
    n = overview(table).numbers
    assert (n["ledger_version"], n["files"], n["segments"]) == (None, 0, 1)


def test_no_table_and_another_table(tmp_path: Path) -> None:
    with pytest.raises(CallError, match="no clip table") as missing:
        overview(str(tmp_path / "none"))
    assert missing.value.code == "missing_table"
    write_deltalake(str(tmp_path / "other"), pa.table({"x": [1]}))
    with pytest.raises(CallError, match="but no clip table") as foreign:
        overview(str(tmp_path / "other"))
    assert foreign.value.code == "bad_table"
    assert DeltaTable(str(tmp_path / "other")).version() == 0
