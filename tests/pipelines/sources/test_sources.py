"""What holds for every data set, however its files are named: folder, glob, table of uris; local or remote."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from chronav import cli, storage
from chronav.errors import CallError
from pipelines.sources import DATASETS, layout, list_source

CLIPS = ("YoYo/v_YoYo_g01_c01.avi", "YoYo/v_YoYo_g02_c01.avi", "Dot/v_Dot_g01_c01.avi")


@pytest.fixture(params=["local", "remote"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """UCF101's layout with its lists beside it; the memory store stands for a remote one."""
    remote = f"memory:///bucket-{uuid.uuid4().hex}"
    folder = remote if request.param == "remote" else str(tmp_path)
    for name in (*(f"videos/{clip}" for clip in CLIPS), "videos/notes.txt"):
        storage.write_bytes(storage.join(folder, name), b"x")
    storage.write_bytes(storage.join(folder, "lists/trainlist01.txt"), CLIPS[0].encode() + b" 1\r\n")
    lines = "\r\n".join((*CLIPS[1:], "YoYo/v_YoYo_g09_c01.avi"))
    storage.write_bytes(storage.join(folder, "lists/testlist01.txt"), lines.encode())
    return folder


def test_a_layout_is_known_in_a_folder_a_glob_and_a_table(root: str) -> None:
    table = "uri,label,split\n" + "".join(f"videos/{name},,\n" for name in (*CLIPS, "notes.txt"))
    storage.write_bytes(f"{root}/list.csv", table.encode())
    sources = (f"{root}/videos", f"{root}/videos/**", f"{root}/list.csv")
    listings = [list_source(source, "ucf101", f"{root}/lists") for source in sources]
    by_id = [{item.video_id: item for item in listing.items} for listing in listings]
    assert by_id[0] == by_id[1] == by_id[2]
    assert {item.splits["ucf101/1"] for item in by_id[0].values() if item.group == "YoYo_g02"} == {"test"}
    assert [listing.missing for listing in listings] == [["v_YoYo_g09_c01"]] * 3
    assert [listing.ignored for listing in listings] == [1, 1, 1]
    assert [dict(listing.left_out) for listing in listings] == [
        {f"{root}/videos/notes.txt": "not named as ucf101 names its files"}
    ] * 3


def test_a_source_is_annotated_by_lists_or_columns(root: str) -> None:
    storage.write_bytes(f"{root}/bare.csv", f"uri\nvideos/{CLIPS[0]}\n".encode())
    storage.write_bytes(f"{root}/said.csv", f"uri,label\nvideos/{CLIPS[0]},x\n".encode())
    assert list_source(f"{root}/videos", "ucf101", f"{root}/lists").annotated
    assert list_source(f"{root}/said.csv", "ucf101").annotated
    assert not list_source(f"{root}/bare.csv", "ucf101").annotated
    assert not list_source(f"{root}/videos", "ucf101").annotated


def test_two_rows_that_contradict_each_other_are_refused(root: str) -> None:
    rows = f"videos/{CLIPS[0]},a,\nvideos/{CLIPS[1]},b,\nvideos/{CLIPS[0]},a,test\n"
    storage.write_bytes(f"{root}/list.csv", f"uri,label,split\n{rows}".encode())
    with pytest.raises(CallError, match=f"{CLIPS[0]} has split '' and 'test'$") as error:
        list_source(f"{root}/list.csv", "ucf101")
    assert (error.value.code, error.value.path) == ("bad_source", f"{root}/list.csv")


def test_names_of_files_that_are_left_out_have_a_limit(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "_NAMES", 2)
    for name in "abc":
        storage.write_bytes(f"{root}/videos/{name}.txt", b"x")
    listing = list_source(f"{root}/videos", "ucf101")
    assert (listing.ignored, len(listing.left_out)) == (4, 2)


def test_a_table_has_the_last_word(root: str) -> None:
    row = f"videos/{CLIPS[0]},spinning,val,left\n"
    rows = f"{row}videos/gone.avi,x,x,x\n{row}"
    storage.write_bytes(f"{root}/list.csv", f"uri,label,split,camera\n{rows}".encode())
    listing = list_source(f"{root}/list.csv", "ucf101", f"{root}/lists")
    (item,) = listing.items
    assert (item.label, item.group, item.video_id) == ("spinning", "YoYo_g01", "v_YoYo_g01_c01")
    assert item.splits == {"ucf101/1": "val", "extra/camera": "left"}
    named = ["v_Dot_g01_c01", "v_YoYo_g02_c01", "v_YoYo_g09_c01"]
    assert listing.missing == sorted([f"{root}/videos/gone.avi", *named])
    assert listing.ignored == 1
    assert listing.left_out == {f"{root}/videos/{CLIPS[0]}": "named again: one row is enough"}
    assert listing.annotated


def test_only_files_that_are_not_there_are_lacking(root: str) -> None:
    lacks = list_source(f"{root}/videos", "ucf101").lacks
    assert lacks(f"{root}/videos/YoYo/gone.avi")
    assert not lacks(f"{root}/videos/notes.txt")  # there, though no clip of this data set
    assert not lacks(f"{root}/videos/{CLIPS[0]}")
    assert not lacks(f"{root}/elsewhere/gone.avi")


def test_an_id_that_two_rows_claim(root: str) -> None:
    rows = "".join(f"videos/{name},same\n" for name in CLIPS[:2])
    storage.write_bytes(f"{root}/list.csv", f"uri,video_id\n{rows}".encode())
    items = list_source(f"{root}/list.csv", "folder").items
    assert [(item.video_id, item.spare_id) for item in items] == [("same", None)] * 2


def test_the_help_names_every_data_set(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["chronav", "ingest", "--help"])
    with pytest.raises(SystemExit):
        cli.main()
    text = capsys.readouterr().out
    assert [name for name in DATASETS if name not in text] == []


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (("missing", "folder", None), "missing_source"),
        (("empty", "folder", None), "empty_source"),
        (("full/x.mp4", "folder", None), "missing_source"),
        (("full", "nonesuch", None), "bad_value"),
        (("full", "folder", "empty"), "bad_value"),
        (("full", "ucf101", None), "bad_layout"),
        (("full", "ucf101", "missing"), "missing_annotations"),
        (("full", "esc50", None), "missing_annotations"),
    ],
)
def test_bad_calls(
    call: tuple[str, str, str | None],
    code: str,
    tmp_path: Path,
    write: Callable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(tmp_path / "full" / "x.mp4")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CallError) as error:
        list_source(*call)
    assert error.value.code == code
    assert "\n" not in str(error.value)
