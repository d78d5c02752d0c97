from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chronav.errors import CallError
from pipelines.sources.base import SourceItem
from pipelines.sources.uri_table import UriRow, read_uri_table

ITEM = SourceItem("/x", 1, 2.0, "d/x", "d", "old", "g", {"d/1": "train", "d/2": "test"}, spare_id="d~/x")


@pytest.mark.parametrize("ending", ["csv", "TSV", "parquet"])
def test_kinds_of_tables_say_the_same(ending: str, tmp_path: Path) -> None:
    columns = {"uri": ["a/x.mp4", "s3://b/./c/../y.mp4"], "label": ["a dog", ""], "split": ["", "test"]}
    path = tmp_path / f"list.{ending}"
    if ending == "parquet":
        pq.write_table(pa.table(columns), path)
    else:
        mark = "," if ending == "csv" else "\t"
        lines = [mark.join(row) for row in (columns, *zip(*columns.values(), strict=True))]
        path.write_bytes("\ufeff".encode() + "\r\n".join(lines).encode())
    assert read_uri_table(str(path)) == [
        UriRow(f"{tmp_path}/a/x.mp4", {"label": "a dog"}),
        UriRow("s3://b/y.mp4", {"split": "test"}),
    ]


def test_values_of_a_parquet_file_as_text(tmp_path: Path) -> None:
    table = pa.table(
        {
            "uri": pa.array(["/x", "file:///y"]).dictionary_encode(),
            "video_id": [7, None],
            "score": [0.5, 1.0],
            "fine": [True, False],
            "day": [datetime.date(2026, 1, 2), None],
            "tags": [["a"], []],
            "blob": [b"\xff", b"\xfe"],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    assert read_uri_table(f"{tmp_path}/t.parquet") == [
        UriRow("/x", {"video_id": "7", "score": "0.5", "fine": "true", "day": "2026-01-02"}),
        UriRow("/y", {"score": "1", "fine": "false"}),
    ]


def test_a_row_goes_before_the_data_set() -> None:
    values = {
        "video_id": "7", "label": "new", "split": "val", "split_3": "test", "fold": "5", "ucf101/1": "test",
        "camera": "left", "split_by": "hand", "splitter": "x",
    }  # fmt: skip
    item = UriRow("/x", values).apply(ITEM)
    assert (item.video_id, item.spare_id, item.dataset, item.label, item.group) == (
        "7",
        None,
        "d",
        "new",
        "g",
    )
    assert item.splits == {
        "d/1": "val", "d/2": "test", "d/3": "test", "d/fold": "5", "ucf101/1": "test",
        "extra/camera": "left", "extra/split_by": "hand", "extra/splitter": "x",
    }  # fmt: skip
    assert (item.uri, item.size, item.mtime) == ("/x", 1, 2.0)


def test_a_row_may_name_its_data_set() -> None:
    item = UriRow("/x", {"dataset": "mine", "split": "test", "group": "h"}).apply(ITEM)
    assert (item.dataset, item.group, item.video_id, item.spare_id) == ("mine", "h", "d/x", "d~/x")
    assert item.splits == {"d/1": "train", "d/2": "test", "mine/1": "test"}


def test_a_row_that_says_nothing_changes_nothing() -> None:
    assert UriRow("/x", {}).apply(ITEM) == ITEM


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("path\nx\n", "no column uri"),
        ("uri,label\nx,a\n,b\n", "line 3 has no uri"),
        ("uri,label\nx,a,b\n", "line 2 has 3 values for 2 columns"),
        ("uri,label,label\nx,a,b\n", "two columns label"),
    ],
)
def test_malformed_text(text: str, what: str, tmp_path: Path, write: Callable) -> None:
    path = str(write(tmp_path / "t.csv", text))
    with pytest.raises(CallError, match=what) as error:
        read_uri_table(path)
    assert (error.value.code, error.value.path) == ("bad_source", path)


@pytest.mark.parametrize("columns", [{"uri": [b"\xff"]}, {"uri": ["x", None]}, {"url": ["x"]}, None])
def test_malformed_parquet(columns: dict | None, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    if columns is None:
        path.write_bytes(b"PAR1 and no more")
    else:
        pq.write_table(pa.table(columns), path)
    with pytest.raises(CallError, match="cannot be used") as error:
        read_uri_table(str(path))
    assert error.value.code == "bad_source"
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("column", "refused"), [("label", True), ("split", True), ("embedding", False)])
def test_a_column_without_plain_values_is_said_or_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], column: str, refused: bool
) -> None:
    path = str(tmp_path / "t.parquet")
    pq.write_table(pa.table({"uri": ["a.mp4"], column: [[1.0, 2.0]]}), path)
    if refused:
        with pytest.raises(CallError, match=f"its column {column} is no text"):
            read_uri_table(path)
        return
    (row,) = read_uri_table(path)
    assert dict(row.values) == {}
    assert f"left out: {column}" in capsys.readouterr().err
