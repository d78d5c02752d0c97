from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chronav.errors import CallError
from pipelines.sources import list_source

COMMENTS = """# Segments csv created Sun Mar  5 10:54:25 2017
# num_ytids=3, num_segs=3, num_unique_labels=527, num_positive_labels=7
# YTID, start_seconds, end_seconds, positive_labels
"""
BALANCED = '--4gqARaEJE, 0.000, 10.000, "/m/068hy,/m/07q6cd_"\n-0RWZT-miFs, 420.000, 430.000, "/m/03v3yw"\n'
EVALUATED = '-0SdAVK79lg, 30.000, 40.000, "/m/09x0r,/m/unnamed"\ngone0000000, 1.5, 11.5, "/m/09x0r"\n'
LABELS = """index,mid,display_name
0,/m/09x0r,"Speech"
72,/m/068hy,"Domestic animals, pets"
73,/m/07q6cd_,"Squeak"
404,/m/03v3yw,"Keys jangling"
"""


@pytest.fixture
def audioset(tmp_path: Path, write: Callable) -> tuple[str, Path]:
    for name in (
        "train/--4gqARaEJE.flac",
        "-0RWZT-miFs_420.000_430.000.wav",
        "-0SdAVK79lg_30000.mp4",
        "unlisted000_000000_000010.m4a",
        "balanced_train_segments.csv",
        "some_longer_name.wav",
    ):
        write(tmp_path / "audio" / name)
    lists = tmp_path / "lists"
    for name, rows in {"balanced_train": BALANCED, "eval": EVALUATED}.items():
        write(lists / f"{name}_segments.csv", (COMMENTS + rows).replace("\n", "\r\n"))
    return str(tmp_path / "audio"), lists


def test_labels_by_name(audioset: tuple[str, Path], write: Callable) -> None:
    write(audioset[1] / "class_labels_indices.csv", LABELS)
    listing = list_source(audioset[0], "audioset", str(audioset[1]))
    found = {item.group: (item.video_id, item.label, dict(item.splits)) for item in listing.items}
    balanced = {"audioset/1": "train", "audioset/list": "balanced_train"}
    evaluated = {"audioset/1": "test", "audioset/list": "eval"}
    pets = "Domestic animals, pets"
    assert found == {
        "--4gqARaEJE": ("--4gqARaEJE", pets, {**balanced, "audioset/labels": f"{pets};Squeak"}),
        "-0RWZT-miFs": (
            "-0RWZT-miFs_420.000_430.000", "Keys jangling", {**balanced, "audioset/labels": "Keys jangling"},
        ),
        "-0SdAVK79lg": (
            "-0SdAVK79lg_30000", "Speech", {**evaluated, "audioset/labels": "Speech;/m/unnamed"},
        ),
        "unlisted000": ("unlisted000_000000_000010", None, {}),
    }  # fmt: skip
    assert (listing.ignored, listing.missing) == (2, ["gone0000000"])


def test_labels_by_code_and_one_list(audioset: tuple[str, Path]) -> None:
    listing = list_source(audioset[0], "audioset", str(audioset[1] / "eval_segments.csv"))
    labels = {item.group: item.label for item in listing.items}
    assert (labels["-0SdAVK79lg"], labels["--4gqARaEJE"]) == ("/m/09x0r", None)


def test_a_malformed_row(audioset: tuple[str, Path], write: Callable) -> None:
    write(audioset[1] / "eval_segments.csv", f"{COMMENTS}-0SdAVK79lg, 30.000, 40.000, /m/09x0r, /m/068hy\n")
    with pytest.raises(CallError, match="line 4") as error:
        list_source(audioset[0], "audioset", str(audioset[1]))
    assert error.value.code == "bad_annotations"


def test_no_list(audioset: tuple[str, Path]) -> None:
    with pytest.raises(CallError, match=r"_segments\.csv"):
        list_source(audioset[0] + "/train", "audioset", audioset[0] + "/train")
