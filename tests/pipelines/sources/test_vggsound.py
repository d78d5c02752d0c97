from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from chronav.errors import CallError
from pipelines.sources import list_source

WHOLE = """\ufeff---g-f_I2yQ,1,people marching,test
--0PQM4-hqg,30,waterfall burbling,train
aEYwqY-Zt_k,11,"donkey, ass braying",test
gone0000000,100,people marching,train
"""
NAMES = ("---g-f_I2yQ_000001", "--0PQM4-hqg_000030", "aEYwqY-Zt_k_000011")


@pytest.fixture
def vggsound(tmp_path: Path, write: Callable) -> tuple[str, Path]:
    for name in (*NAMES, "unlisted000_000007", "--0PQM4-hqg", "106051"):
        write(tmp_path / "videos" / "deep" / f"{name}.mp4")
    write(tmp_path / "lists" / "stat.csv", "people marching,1050,people\n")
    return str(tmp_path / "videos"), tmp_path / "lists"


def facts(source: str, annotations: Path | None) -> dict[str, tuple[str | None, str | None, dict[str, str]]]:
    items = list_source(source, "vggsound", annotations and str(annotations)).items
    return {item.video_id: (item.label, item.group, dict(item.splits)) for item in items}


@pytest.mark.parametrize("as_file", [False, True])
def test_the_official_csv(as_file: bool, vggsound: tuple[str, Path], write: Callable) -> None:
    path = write(vggsound[1] / "vggsound.csv", WHOLE.replace("\n", "\r\n"))
    given = path if as_file else path.parent
    assert facts(vggsound[0], given) == {
        NAMES[0]: ("people marching", "---g-f_I2yQ", {"vggsound/1": "test"}),
        NAMES[1]: ("waterfall burbling", "--0PQM4-hqg", {"vggsound/1": "train"}),
        NAMES[2]: ("donkey, ass braying", "aEYwqY-Zt_k", {"vggsound/1": "test"}),
        "unlisted000_000007": (None, "unlisted000", {}),
    }
    listing = list_source(vggsound[0], "vggsound", str(given))
    assert (listing.ignored, listing.missing) == (2, ["gone0000000_000100"])


def test_the_lists_of_one_side_each(vggsound: tuple[str, Path], write: Callable) -> None:
    write(vggsound[1] / "test.csv", f'{NAMES[2]}.mp4,"donkey, ass braying"\r\ngone0000000_000100.mp4,x\r\n')
    assert facts(*vggsound)[NAMES[2]] == ("donkey, ass braying", "aEYwqY-Zt_k", {"vggsound/1": "test"})
    write(vggsound[1] / "train.csv", f"{NAMES[0]}.mp4,people marching\r\n")
    assert facts(*vggsound)[NAMES[0]] == ("people marching", "---g-f_I2yQ", {"vggsound/1": "train"})
    assert list_source(vggsound[0], "vggsound", str(vggsound[1])).missing == ["gone0000000_000100"]


def test_without_annotations(vggsound: tuple[str, Path]) -> None:
    assert {name: value[1] for name, value in facts(vggsound[0], None).items()} == {
        name: name[:11] for name in (*NAMES, "unlisted000_000007")
    }


@pytest.mark.parametrize("row", ["people marching,1050,people", "aEYwqY-Zt_k,11.5,x,test", "106051.mp4,x"])
def test_a_malformed_list(row: str, vggsound: tuple[str, Path], write: Callable) -> None:
    path = write(vggsound[1] / "vggsound.csv", f"{WHOLE}{row}\n")
    with pytest.raises(CallError, match="line 5") as error:
        list_source(vggsound[0], "vggsound", str(path))
    assert error.value.code == "bad_annotations"


def test_no_list(vggsound: tuple[str, Path]) -> None:
    with pytest.raises(CallError, match=r"vggsound\.csv") as error:
        list_source(vggsound[0], "vggsound", str(vggsound[1]))
    assert error.value.code == "missing_annotations"


@pytest.mark.realdata
def test_the_real_clips_and_list(real_data: Path) -> None:
    listing = list_source(
        str(real_data / "vggsound" / "videos"), "vggsound", str(real_data / "annotations" / "vggsound")
    )
    with open(real_data / "vggsound" / "clips.csv", newline="") as file:
        clips = list(csv.DictReader(file))
    # Clips of other sources lie among them, under other names; not every clip is of the test list.
    expected = {
        row["file"].removesuffix(".mp4"): (row["vggsound_test_label"] or None, row["youtube_id"])
        for row in clips
        if row["youtube_id"]
    }
    assert {item.video_id: (item.label, item.group) for item in listing.items} == expected
    tested = {name for name, (label, _) in expected.items() if label}
    assert {item.video_id for item in listing.items if item.splits == {"vggsound/1": "test"}} == tested
    assert (len(clips), len(expected), len(tested), listing.ignored) == (39, 30, 27, 9)
    with open(real_data / "annotations" / "vggsound" / "test.csv", newline="") as file:
        named = {row[0].removesuffix(".mp4") for row in csv.reader(file)}
    assert listing.missing == sorted(named - tested)
