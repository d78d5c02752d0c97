from __future__ import annotations

import re
from pathlib import Path

import pytest

from chronav.errors import CallError
from pipelines.sources import list_source

NAMES = ("v_YoYo_g01_c01.avi", "v_YoYo_g02_c01.avi", "v_HandStandPushups_g01_c03.avi")


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


@pytest.fixture
def ucf101(tmp_path: Path) -> tuple[str, str]:
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
    items = {item.video_id: item for item in listing.items}
    assert set(items) == {name.removesuffix(".avi") for name in NAMES}
    yoyo, stand = items["v_YoYo_g01_c01"], items["v_HandStandPushups_g01_c03"]
    assert (yoyo.label, yoyo.group, yoyo.dataset) == ("YoYo", "YoYo_g01", "ucf101")
    assert yoyo.splits == {"ucf101/1": "test", "ucf101/2": "train", "ucf101/3": "train"}
    assert (stand.label, stand.splits["ucf101/3"]) == ("HandstandPushups", "test")


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


def test_esc50(tmp_path: Path) -> None:
    write(tmp_path / "audio" / "1-100032-A-0.wav")
    write(tmp_path / "audio" / "5-9032-A-0.wav")
    write(tmp_path / "audio" / "unlisted.wav")
    write(
        tmp_path / "meta" / "esc50.csv",
        "filename,fold,target,category,esc10,src_file,take\r\n"
        "1-100032-A-0.wav,1,0,dog,True,100032,A\r\n"
        "5-9032-A-0.wav,5,0,clock_tick,False,9032,A\r\n"
        "5-9999-A-0.wav,5,0,dog,True,9999,A\r\n",
    )
    listing = list_source(str(tmp_path), "esc50")
    assert listing.ignored == 2  # the unlisted recording and the csv
    dog, clock = listing.items
    assert (dog.video_id, dog.label, dog.group) == ("1-100032-A-0", "dog", "100032")
    assert dog.splits == {"esc50/fold": "1", "esc50/esc10": "true"}
    assert clock.splits == {"esc50/fold": "5", "esc50/esc10": "false"}


def test_folder_ids_are_paths_below_the_source(tmp_path: Path) -> None:
    source = tmp_path / "mine"
    write(source / "b" / "x.mp4")
    write(source / "a.txt", "abc")
    write(source / ".hidden" / "x.mp4")
    write(source / "t.delta" / "part.parquet")
    listing = list_source(f"{source}/", "folder", outside=(str(source / "t.delta"),))
    assert [item.video_id for item in listing.items] == ["mine/a.txt", "mine/b/x.mp4"]
    first = listing.items[0]
    assert (first.size, first.label, first.group, first.splits) == (3, None, None, {})
    assert first.mtime == (source / "a.txt").stat().st_mtime


def test_spare_ids_tell_folders_of_one_name_apart(tmp_path: Path) -> None:
    ids = []
    for year in ("2023", "2024"):
        write(tmp_path / year / "videos" / "b" / "x.mp4")
        for again in range(2):
            [item] = list_source(f"{tmp_path}/{year}/videos{'/' * again}", "folder").items
            ids.append((item.video_id, item.spare_id))
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert {video_id for video_id, _ in ids} == {"videos/b/x.mp4"}
    assert all(re.fullmatch(r"videos~[0-9a-f]{8}/b/x\.mp4", spare_id or "") for _, spare_id in ids)


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
    call: tuple[str, str, str | None], code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "full" / "x.mp4")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CallError) as error:
        list_source(*call)
    assert error.value.code == code
    assert "\n" not in str(error.value)


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


def test_the_generated_world_has_the_layout_of_ucf101_and_a_name_of_its_own(ucf101):
    listing = list_source(ucf101[0], "world", ucf101[1])
    assert {item.dataset for item in listing.items} == {"world"}
    assert {name for item in listing.items for name in item.splits} == {"world/1", "world/2", "world/3"}
