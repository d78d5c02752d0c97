from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chronav.errors import CallError
from pipelines.sources import list_source


def test_esc50(tmp_path: Path, write: Callable) -> None:
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
    assert listing.missing == ["5-9999-A-0"]
    dog, clock = listing.items
    assert (dog.video_id, dog.label, dog.group) == ("1-100032-A-0", "dog", "100032")
    assert dog.splits == {"esc50/fold": "1", "esc50/esc10": "true"}
    assert clock.splits == {"esc50/fold": "5", "esc50/esc10": "false"}


@pytest.mark.parametrize(
    ("name", "given"), [("esc50.csv", "b"), ("esc50.csv", "b/esc50.csv"), ("my.csv", "b/my.csv")]
)
def test_the_csv_may_lie_elsewhere(name: str, given: str, tmp_path: Path, write: Callable) -> None:
    write(tmp_path / "a" / "1-1-A-0.wav")
    write(
        tmp_path / "b" / name,
        "\ufefffilename,fold,category,esc10,src_file\n1-1-A-0.wav,1,dog,True,1\n",
    )
    (item,) = list_source(str(tmp_path / "a"), "esc50", str(tmp_path / given)).items
    assert (item.label, item.splits["esc50/fold"]) == ("dog", "1")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("filename,fold\n1-1-A-0.wav,1\n", "category, esc10, src_file"),
        ("filename,fold,category,esc10,src_file\n1-1-A-0.wav,1\n", "line 2 has 2 values for 5 columns"),
        ("", "it lacks the columns"),
    ],
)
def test_a_malformed_csv(text: str, what: str, tmp_path: Path, write: Callable) -> None:
    write(tmp_path / "audio" / "1-1-A-0.wav")
    write(tmp_path / "meta" / "esc50.csv", text)
    with pytest.raises(CallError, match=what) as error:
        list_source(str(tmp_path), "esc50")
    assert error.value.code == "bad_annotations"


@pytest.mark.realdata
def test_the_real_esc10(real_data: Path, tmp_path: Path) -> None:
    """ESC-10 in ESC-50's layout, held against the official list of all of ESC-50."""
    tool = real_data.parent / "tools" / "esc10_as_esc50.py"
    subprocess.run([sys.executable, tool, tmp_path], check=True)
    listing = list_source(str(tmp_path), "esc50", str(real_data / "annotations" / "esc50"))
    for path in (tmp_path / "audio").iterdir():
        path.unlink()  # 176 MB that pytest would keep
    with open(real_data / "annotations" / "esc50" / "esc50.csv", newline="") as file:
        official = {row["filename"].removesuffix(".wav"): row for row in csv.DictReader(file)}
    ten = {name for name, row in official.items() if row["esc10"] == "True"}
    assert {item.video_id for item in listing.items} == ten
    assert len(ten) == 400
    assert listing.missing == sorted(official.keys() - ten)
    assert listing.ignored == 1  # the csv itself
    for item in listing.items:
        row = official[item.video_id]
        assert (item.label, item.group) == (row["category"], row["src_file"])
        assert item.splits == {"esc50/fold": row["fold"], "esc50/esc10": "true"}
