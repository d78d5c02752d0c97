from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chronav.errors import CallError
from pipelines.sources.annotations import (
    annotation_files,
    annotation_folder,
    annotation_text,
    csv_records,
    csv_rows,
)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_and_byte_order_marks(mark: str, end: str, tmp_path: Path, write: Callable) -> None:
    path = str(write(tmp_path / "a.csv", f'{mark}id, name{end}{end}1, "a, ""b"" {end} c"{end}2, d {end}'))
    rows = list(csv_rows(path, annotation_text(path)))
    assert [row for _, row in rows] == [["id", "name"], ["1", f'a, "b" {end} c'], ["2", "d"]]
    assert [line for line, _ in rows] == [1, 4, 5]
    records = list(csv_records(path, annotation_text(path), {"id"}))
    assert records == [{"id": "1", "name": f'a, "b" {end} c'}, {"id": "2", "name": "d"}]


def test_what_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("id,müde\n".encode("latin-1"))
    with pytest.raises(CallError, match="not UTF-8") as error:
        annotation_text(str(path))
    assert (error.value.code, error.value.path) == ("bad_annotations", str(path))


def test_files_of_an_ending_at_any_depth(tmp_path: Path, write: Callable) -> None:
    for name in ("a.csv", "b/c.csv", "b/d.txt"):
        write(tmp_path / name)
    assert annotation_files(str(tmp_path), ".csv") == [f"{tmp_path}/a.csv", f"{tmp_path}/b/c.csv"]
    assert annotation_files(f"{tmp_path}/b/d.txt", ".csv") == [f"{tmp_path}/b/d.txt"]
    for path in (tmp_path / "b" / "none", tmp_path / "none"):
        path.parent.joinpath("none").mkdir(exist_ok=True)
        with pytest.raises(CallError) as error:
            annotation_files(str(path), ".csv")
        assert error.value.code == "missing_annotations"


def test_what_is_no_folder_is_said_as_it_is(tmp_path: Path, write: Callable) -> None:
    file = write(tmp_path / "a.csv")
    with pytest.raises(CallError, match=r"a\.csv' is a file: give the folder$"):
        annotation_folder(str(file))
    with pytest.raises(CallError, match=r"none' does not exist$"):
        annotation_folder(str(tmp_path / "none"))
    assert annotation_folder(str(tmp_path)) == str(tmp_path)
