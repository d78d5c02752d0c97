from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chronav.errors import CallError
from pipelines.sources import list_source

NAMES = ("v_YoYo_g01_c01.avi", "v_YoYo_g02_c01.avi", "v_HandStandPushups_g01_c03.avi")


@pytest.fixture
def ucf101(tmp_path: Path, write: Callable) -> tuple[str, str]:
    videos, lists = tmp_path / "videos", tmp_path / "lists"
    write(videos / "YoYo" / NAMES[0])
    write(videos / "nested" / "YoYo" / NAMES[1])
    write(videos / "HandstandPushups" / NAMES[2])
    write(videos / "README.md")
    for number in (1, 2, 3):
        test, *train = NAMES[number - 1 :] + NAMES[: number - 1]
        folder = "HandstandPushups" if "Stand" in test else "YoYo"
        write(lists / f"testlist{number:02d}.txt", f"{folder}/{test}\r\n")
        write(
            lists / f"trainlist{number:02d}.txt", "".join(f"YoYo/{name} 101\r\n" for name in train) + "\r\n"
        )
    return str(videos), str(lists)


def test_ucf101_names_and_splits(ucf101: tuple[str, str]) -> None:
    listing = list_source(ucf101[0], "ucf101", ucf101[1])
    assert listing.ignored == 1
    assert listing.missing == []
    items = {item.video_id: item for item in listing.items}
    assert set(items) == {name.removesuffix(".avi") for name in NAMES}
    yoyo, stand = items["v_YoYo_g01_c01"], items["v_HandStandPushups_g01_c03"]
    assert (yoyo.label, yoyo.group, yoyo.dataset) == ("YoYo", "YoYo_g01", "ucf101")
    assert yoyo.splits == {"ucf101/1": "test", "ucf101/2": "train", "ucf101/3": "train"}
    assert (stand.label, stand.splits["ucf101/3"]) == ("HandstandPushups", "test")


def test_what_the_lists_name_and_the_folder_lacks(ucf101: tuple[str, str]) -> None:
    (Path(ucf101[0]) / "nested" / "YoYo" / NAMES[1]).unlink()
    listing = list_source(ucf101[0], "ucf101", ucf101[1])
    assert (len(listing.items), listing.missing) == (2, ["v_YoYo_g02_c01"])
    assert list_source(ucf101[0], "ucf101").missing == []


def test_ucf101_without_annotations_has_no_splits(ucf101: tuple[str, str]) -> None:
    assert all(item.splits == {} for item in list_source(ucf101[0], "ucf101").items)


@pytest.mark.parametrize("name", ["testlist01.txt", "trainlist01.txt", "testlist02.txt"])
def test_ucf101_with_half_a_split(name: str, ucf101: tuple[str, str]) -> None:
    (Path(ucf101[1]) / name).unlink()
    with pytest.raises(CallError) as error:
        list_source(ucf101[0], "ucf101", ucf101[1])
    assert name in str(error.value)


def test_ucf101_with_one_split_only(ucf101: tuple[str, str]) -> None:
    for number in (2, 3):
        for part in ("train", "test"):
            (Path(ucf101[1]) / f"{part}list{number:02d}.txt").unlink()
    assert {tuple(item.splits) for item in list_source(ucf101[0], "ucf101", ucf101[1]).items} == {
        ("ucf101/1",)
    }


def test_the_generated_world_has_the_layout_of_ucf101_and_a_name_of_its_own(ucf101: tuple[str, str]) -> None:
    listing = list_source(ucf101[0], "world", ucf101[1])
    assert {item.dataset for item in listing.items} == {"world"}
    assert {name for item in listing.items for name in item.splits} == {"world/1", "world/2", "world/3"}


@pytest.mark.realdata
def test_the_real_ucf101_lists(real_data: Path) -> None:
    listing = list_source(
        str(real_data / "ucf101" / "videos"), "ucf101", str(real_data / "annotations" / "ucf101")
    )
    assert len(listing.items) == 131
    assert len({item.video_id for item in listing.items}) == 131
    assert len({item.label for item in listing.items}) == 43
    # Every video of UCF101 is in each of the three splits, on one side.
    assert all(set(item.splits) == {"ucf101/1", "ucf101/2", "ucf101/3"} for item in listing.items)
    assert len({item.group for item in listing.items if item.label == "YoYo"}) == 25
    # Independently: the names in the two lists of each split, less those of the files.
    lists = (real_data / "annotations" / "ucf101").glob("*list0*.txt")
    named = {
        line.split()[0].rpartition("/")[2] for path in lists for line in path.read_text().split("\n") if line
    }
    there = {path.name for path in (real_data / "ucf101" / "videos").rglob("*.avi")}
    assert len(named) == 13320
    assert listing.missing == sorted(name.removesuffix(".avi") for name in named - there)
    test = (real_data / "annotations" / "ucf101" / "testlist01.txt").read_text()
    assert sum(item.splits["ucf101/1"] == "test" for item in listing.items) == sum(
        name in test for name in there
    )
