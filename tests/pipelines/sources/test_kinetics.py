from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chronav.errors import CallError
from pipelines.sources import list_source

HEADER = "label,youtube_id,time_start,time_end,split"
TRAIN = f"""\ufeff{HEADER}
"playing ""the"" harp",---QUuC4vJs,84,94,train
abseiling,-3B32lodo2M,59,69,train
abseiling,gone0000000,0,10,train
"""
VAL = f"{HEADER},is_cc\nabseiling,0_shortname,1200,1210,validate,0\n"
TEST = "youtube_id,time_start,time_end,split\n_nolabel_-_,2.0,12.0,test\n"


@pytest.fixture
def kinetics(tmp_path: Path, write: Callable) -> tuple[str, str]:
    videos, lists = tmp_path / "videos", tmp_path / "lists"
    for name in (
        "train/playing harp/---QUuC4vJs_000084_000094.mp4",
        "train/-3B32lodo2M.mp4",
        "0_shortname_001200_001210.mkv",
        "_nolabel_-_.webm",
        "unlisted000_000000_000010.mp4",
        "0_shortname_000000_000010.mp4",  # of a listed video, but not the clip that is listed
        "kinetics400.csv",  # eleven letters, and no video
        "notes.mp4",
    ):
        write(videos / name)
    for name, text in {"train": TRAIN, "a/val": VAL, "test": TEST}.items():
        write(lists / f"{name}.csv", text.replace("\n", "\r\n"))
    write(lists / "classes.csv", "0,abseiling\n1,playing harp\n")
    return str(videos), str(lists)


def test_labels_groups_and_splits(kinetics: tuple[str, str]) -> None:
    listing = list_source(kinetics[0], "kinetics", kinetics[1])
    found = {item.video_id: (item.label, item.group, dict(item.splits)) for item in listing.items}
    assert found == {
        "---QUuC4vJs_000084_000094": ('playing "the" harp', "---QUuC4vJs", {"kinetics/1": "train"}),
        "-3B32lodo2M": ("abseiling", "-3B32lodo2M", {"kinetics/1": "train"}),
        "0_shortname_001200_001210": ("abseiling", "0_shortname", {"kinetics/1": "val"}),
        "_nolabel_-_": (None, "_nolabel_-_", {"kinetics/1": "test"}),
        "unlisted000_000000_000010": (None, "unlisted000", {}),
        "0_shortname_000000_000010": (None, "0_shortname", {}),
    }
    assert listing.ignored == 2
    assert listing.missing == ["gone0000000_000000_000010"]


def test_one_csv_file(kinetics: tuple[str, str]) -> None:
    listing = list_source(kinetics[0], "kinetics", f"{kinetics[1]}/a/val.csv")
    labels = {item.video_id: item.label for item in listing.items}
    assert labels["0_shortname_001200_001210"] == "abseiling"
    assert labels["-3B32lodo2M"] is None
    assert listing.missing == []


def test_without_annotations(kinetics: tuple[str, str]) -> None:
    listing = list_source(kinetics[0], "kinetics")
    assert len(listing.items) == 6
    assert all(item.label is None and item.splits == {} for item in listing.items)
    assert all(item.video_id.startswith(item.group or "?") for item in listing.items)


@pytest.mark.parametrize("order", [("train", "test"), ("test", "train")])
def test_a_test_clip_of_one_release_is_none_to_train_on_in_another(
    order: tuple[str, str], tmp_path: Path, write: Callable
) -> None:
    for name in ("aaaaaaaaaaa_000001_000011.mp4", "bbbbbbbbbbb.mp4"):
        write(tmp_path / "videos" / name)
    for number, side in enumerate(order):
        rows = f"x,aaaaaaaaaaa,1,11,{side}\nx,bbbbbbbbbbb,{side == 'test':d},11,{side}\n"
        write(tmp_path / "lists" / f"{number}.csv", f"{HEADER}\n{rows}")
    listing = list_source(str(tmp_path / "videos"), "kinetics", str(tmp_path / "lists"))
    assert [item.splits for item in listing.items] == [{"kinetics/1": "test"}] * 2
    assert listing.missing == []


@pytest.mark.parametrize(
    ("text", "code", "what"),
    [
        ("label,youtube_id\nx,aaaaaaaaaaa\n", "bad_annotations", "split, time_end, time_start"),
        (f"{HEADER}\nx,aaaaaaaaaaa,early,11,train\n", "bad_annotations", "aaaaaaaaaaa"),
        (f'{HEADER}\n"x,aaaaaaaaaaa\x00,1,11,train\n', "bad_annotations", "line 2"),
    ],
)
def test_a_malformed_list(
    text: str, code: str, what: str, kinetics: tuple[str, str], write: Callable
) -> None:
    path = write(Path(kinetics[0]) / "list.csv", text)
    with pytest.raises(CallError, match=what) as error:
        list_source(kinetics[0], "kinetics", str(path))
    assert error.value.code == code


def test_a_folder_without_lists(kinetics: tuple[str, str], write: Callable, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        write(tmp_path / "others" / name, "0,abseiling\n")
    with pytest.raises(CallError, match="youtube_id") as error:
        list_source(kinetics[0], "kinetics", str(tmp_path / "others"))
    assert error.value.code == "missing_annotations"


@pytest.mark.realdata
def test_the_real_clips(real_data: Path) -> None:
    listing = list_source(str(real_data / "kinetics"), "kinetics")
    there = {path.stem for path in (real_data / "kinetics").glob("*.mp4")}
    assert {item.video_id for item in listing.items} == there == {item.group for item in listing.items}
    assert (len(there), listing.ignored) == (3, 2)
