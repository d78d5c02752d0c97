from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from chronav.errors import CallError
from pipelines.sources import list_source

SHOT = "Pirates_1_shoot_bow_f_cm_np10_ba_bad_3"
DRAWN = "Pirates_1_draw_sword_u_nm_np1_fr_med_0"
FOUGHT = "#20_A!_+_(b)_sword_h_nm_np2_le_goo_11"


@pytest.fixture
def hmdb51(tmp_path: Path, write: Callable) -> tuple[str, str]:
    videos, lists = tmp_path / "videos", tmp_path / "lists"
    for path in (f"shoot_bow/{SHOT}", f"flat/{DRAWN}", f"{FOUGHT}", "sword/A_sword_fight"):
        write(videos / f"{path}.avi")
    sides = {"shoot_bow": (SHOT, "120"), "draw_sword": (DRAWN, "201"), "sword": (FOUGHT, "012")}
    for label, (name, of_clip) in sides.items():
        gone = f"Gone_{label}_f_cm_np1_fr_bad_0.avi {2 if label == 'sword' else 0} \r\n"
        for number, side in enumerate(of_clip, start=1):
            write(
                lists / "lists" / f"{label}_test_split{number}.txt", f"\ufeff{name}.avi {side} \r\n{gone}\r\n"
            )
    return str(videos), str(lists)


def test_names_and_splits(hmdb51: tuple[str, str]) -> None:
    listing = list_source(*_call(hmdb51))
    items = {item.video_id: item for item in listing.items}
    assert (set(items), listing.ignored) == ({SHOT, DRAWN, FOUGHT}, 1)
    assert [items[name].label for name in (SHOT, DRAWN, FOUGHT)] == ["shoot_bow", "draw_sword", "sword"]
    # The film goes across classes: the same film's clips are one group.
    assert [items[name].group for name in (SHOT, DRAWN, FOUGHT)] == ["Pirates_1", "Pirates_1", "#20_A!_+_(b)"]
    assert items[SHOT].splits == {"hmdb51/1": "train", "hmdb51/2": "test"}
    assert items[DRAWN].splits == {"hmdb51/1": "test", "hmdb51/3": "train"}
    assert items[FOUGHT].splits == {"hmdb51/2": "train", "hmdb51/3": "test"}
    assert listing.missing == [
        f"Gone_{label}_f_cm_np1_fr_bad_0" for label in ("draw_sword", "shoot_bow", "sword")
    ]


def test_without_annotations(hmdb51: tuple[str, str]) -> None:
    listing = list_source(hmdb51[0], "hmdb51")
    assert {item.label for item in listing.items} == {"shoot_bow", "draw_sword", "sword"}
    assert all(item.splits == {} for item in listing.items)
    assert listing.missing == []


def test_a_class_without_a_list(hmdb51: tuple[str, str]) -> None:
    (Path(hmdb51[1]) / "lists" / "sword_test_split2.txt").unlink()
    with pytest.raises(CallError, match=r"sword_test_split2\.txt") as error:
        list_source(*_call(hmdb51))
    assert error.value.code == "missing_annotations"


@pytest.mark.parametrize("line", [f"{SHOT}.avi 3", f"{SHOT}.avi", "1"])
def test_a_malformed_line(line: str, hmdb51: tuple[str, str], write: Callable) -> None:
    write(Path(hmdb51[1]) / "lists" / "sword_test_split1.txt", f"{FOUGHT}.avi 1\n{line}\n")
    with pytest.raises(CallError, match="line 2") as error:
        list_source(*_call(hmdb51))
    assert error.value.code == "bad_annotations"


def test_no_lists_at_all(hmdb51: tuple[str, str]) -> None:
    with pytest.raises(CallError, match="_test_split"):
        list_source(hmdb51[0], "hmdb51", hmdb51[0])


def _call(hmdb51: tuple[str, str]) -> tuple[str, str, str]:
    return hmdb51[0], "hmdb51", hmdb51[1]


@pytest.mark.realdata
def test_the_real_clips_and_lists(real_data: Path) -> None:
    lists = real_data / "annotations" / "hmdb51"
    listing = list_source(str(real_data / "hmdb51" / "videos"), "hmdb51", str(lists))
    files = {path.stem: path for path in (real_data / "hmdb51" / "videos").rglob("*.avi")}
    assert {item.video_id for item in listing.items} == set(files)
    assert len(files) == 12
    for item in listing.items:
        assert item.label == files[item.video_id].parent.name
        assert item.video_id.startswith(f"{item.group}_{item.label}_")
        for number in "123":
            text = (lists / f"{item.label}_test_split{number}.txt").read_text()
            (code,) = re.findall(rf"^{re.escape(item.video_id)}\.avi (\d)", text, re.MULTILINE)
            assert item.splits.get(f"hmdb51/{number}") == [None, "train", "test"][int(code)]
    assert len(listing.missing) == 6766 - 12


@pytest.mark.realdata
def test_every_official_name_is_understood(real_data: Path, tmp_path: Path) -> None:
    """All 6766 names, as empty files: the class read from a name is the one whose list it is in."""
    labels = {}
    for path in (real_data / "annotations" / "hmdb51").glob("*_test_split1.txt"):
        for line in path.read_text().splitlines():
            labels[line.split()[0].removesuffix(".avi")] = path.name.removesuffix("_test_split1.txt")
    for name in labels:
        (tmp_path / f"{name}.avi").touch()
    listing = list_source(str(tmp_path), "hmdb51", str(real_data / "annotations" / "hmdb51"))
    assert {item.video_id: item.label for item in listing.items} == labels
    assert (len(labels), listing.ignored, listing.missing) == (6766, 0, [])
    for number, test in (("1", 1530), ("2", 1530), ("3", 1530)):
        sides = [item.splits.get(f"hmdb51/{number}") for item in listing.items]
        assert (sides.count("train"), sides.count("test")) == (3570, test)
    # The official splits never cut through a film: no group of a class is on both sides.
    for number in "123":
        key = f"hmdb51/{number}"
        sides = {(item.label, item.group, item.splits[key]) for item in listing.items if key in item.splits}
        assert len(sides) == len({(label, group) for label, group, _ in sides})
