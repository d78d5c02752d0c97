"""Items, splits, official lists, coverage, what was seen: everything that is decided before the media is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chronav.errors import CallError
from evaluation.config import EvaluateConfig
from evaluation.coverage import answerable, caveats, coverage
from evaluation.items import Segment, Video, labels_of, read_videos
from evaluation.official import listed_in, read_official, with_official_splits
from evaluation.seen import refuse_seen, seen_test_items
from evaluation.splits import Fold, dataset_of, divide, folds_of
from pipelines.table import open_table, read_row_group


def video(video_id: str, label: str | None = "x", dataset: str = "ucf101", **splits: str) -> Video:
    keyed = {f"{dataset}/{name.removeprefix('s')}": side for name, side in splits.items()}
    return Video(video_id, dataset, label, None, keyed, (Segment(0, 0, 16, None),))


def test_videos_are_found_with_their_rows(colour_table: str) -> None:
    table = open_table(colour_table)
    videos, groups = read_videos(table)
    assert len(videos) == 21
    assert sum(len(v.segments) for v in videos) == 42
    for one in videos[::5]:
        for number, segment in enumerate(one.segments):
            row = read_row_group(groups[segment.group], ["clip_id", "n_frames"]).to_pylist()[segment.row]
            assert row == {"clip_id": f"{one.video_id}:{number}", "n_frames": segment.n_frames}
    assert videos[0].splits == {"ucf101/1": "train", "ucf101/2": "train"}
    assert videos[0].has_frames
    assert videos[0].segments[0].sound_s == (0.0, 1.5)


def test_dataset_is_named_or_the_only_one() -> None:
    two = [video("a"), video("b", dataset="hmdb51")]
    assert dataset_of(two[:1], None) == "ucf101"
    assert dataset_of(two, "hmdb51") == "hmdb51"
    for wanted in (None, "esc50"):
        with pytest.raises(CallError, match="hmdb51, ucf101"):
            dataset_of(two, wanted)


def test_train_test_split() -> None:
    videos = [video("a", s1="train"), video("b", s1="test", s2="train"), video("c", s1="test"), video("d")]
    (fold,) = divide(videos, "ucf101", "1", EvaluateConfig()).folds
    assert (fold.train.tolist(), fold.test.tolist(), fold.held_out) == ([0], [1, 2], "ucf101/1=test")
    with pytest.raises(CallError, match=r"split 'ucf101/2' .*ucf101/1, ucf101/2"):
        divide(videos, "ucf101", "2", EvaluateConfig())


def test_numbered_folds_are_all_measured() -> None:
    videos = [video(str(i), dataset="esc50", fold=str(i % 3 + 1)) for i in range(7)] + [
        video("x", dataset="esc50")
    ]
    folds = divide(videos, "esc50", None, EvaluateConfig()).folds
    assert [fold.test.tolist() for fold in folds] == [[0, 3, 6], [1, 4], [2, 5]]
    assert [fold.held_out for fold in folds] == ["esc50/fold=1", "esc50/fold=2", "esc50/fold=3"]
    for fold in folds:
        assert sorted([*fold.train, *fold.test]) == list(range(7))


def test_official_lists(tmp_path: Path) -> None:
    for n in (1, 2, 3):
        (tmp_path / f"trainlist0{n}.txt").write_text(
            "Biking/v_Biking_g08_c01.avi 11\nBiking/v_Biking_g09_c01.avi 11\n"
        )
        (tmp_path / f"testlist0{n}.txt").write_text(
            "Biking/v_Biking_g01_c01.avi\nYoYo/v_YoYo_g01_c01.avi\n\n"
        )
    official = read_official(str(tmp_path), "ucf101")
    assert len(listed_in(official, "ucf101/1")) == 4
    assert listed_in(official) == set(official)
    here = with_official_splits(
        [video("v_Biking_g01_c01", s1="train"), video("v_Biking_g99_c01", s1="test")], official
    )
    assert here[0].splits["ucf101/1"] == "test"  # the list decides, not the table
    assert here[1].splits == {}
    (tmp_path / "esc50.csv").write_text("filename,fold,category\n1-1-A-0.wav,1,dog\n5-1-A-0.wav,5,dog\n")
    for given in (tmp_path, tmp_path / "esc50.csv"):
        assert read_official(str(given), "esc50") == {
            "1-1-A-0": {"esc50/fold": "1"},
            "5-1-A-0": {"esc50/fold": "5"},
        }
    with pytest.raises(CallError, match="kinetics"):
        read_official(str(tmp_path), "kinetics")
    with pytest.raises(CallError, match="does not exist"):
        read_official(str(tmp_path / "none"), "esc50")


@pytest.mark.realdata
def test_real_official_lists(real_data: Path) -> None:
    ucf = read_official(str(real_data / "annotations" / "ucf101"), "ucf101")
    sides = [splits["ucf101/1"] for splits in ucf.values()]
    assert (sides.count("train"), sides.count("test")) == (9537, 3783)  # the counts of the data set's paper
    assert len(listed_in(ucf, "ucf101/1")) == 13320
    esc = read_official(str(real_data / "annotations" / "esc50"), "esc50")
    assert len(esc) == 2000
    folds = [splits["esc50/fold"] for splits in esc.values()]
    assert [folds.count(str(n)) for n in range(1, 6)] == [400] * 5


def test_coverage_and_answerable() -> None:
    labels = np.array(["a", "a", "b", "c", "b"], dtype=object)
    fold = Fold("ucf101/1", "ucf101/1=test", np.array([0, 2]), np.array([1, 3, 4]))
    assert answerable(labels, fold).tolist() == [True, False, True]
    listed = [f"item {number}" for number in range(14)]
    left_out = ["item 3", "item 8", "not listed"]
    cover = coverage(labels, [fold], listed, [*listed[9:], *left_out], left_out)
    assert cover == {
        "listed": 14,
        "found": 5,
        "unusable": 2,
        "missing": 7,
        "answerable": 2,
        "test_found": 3,
        "classes": 3,
        "official_list": True,
    }
    text = " ".join(caveats(cover))
    assert "1 of 3 test items found cannot be answered" in text
    assert "Only 5 of 14 listed items were found (2 more have nothing to measure)" in text
    assert "2 test items are few" in text
    silent = " ".join(caveats(cover | {"missing": 0}))
    assert "2 of 14 listed items have nothing to measure and are left out" in silent
    own = coverage(labels, [fold], None, ["item 3"], ["item 3"])
    assert (own["listed"], own["missing"], own["unusable"], own["official_list"]) == (5, 0, 0, False)
    assert "metrics" not in " ".join(caveats(cover, measured=False)), "there are none"
    assert caveats(own | {"answerable": 3000, "test_found": 3000}) == []


def test_seen_test_items_are_refused() -> None:
    videos = [video("a", s1="train"), video("b", s1="test"), video("c", s1="test")]
    folds = folds_of(videos, "ucf101/1")
    assert seen_test_items(videos, folds, dict.fromkeys("az")) == []
    overlap = seen_test_items(videos, folds, dict.fromkeys("ac"))
    assert overlap == ["c"]
    refuse_seen([], folds, allow=False)
    refuse_seen(overlap, folds, allow=True)
    with pytest.raises(CallError, match=r"1 test items .* 'c'.*--exclude ucf101/1=test") as caught:
        refuse_seen(overlap, folds, allow=False)
    assert caught.value.code == "seen_in_pretraining"


def test_labels_of_unlabelled_videos_are_empty() -> None:
    assert labels_of([video("a", None), video("b", "x")]).tolist() == ["", "x"]
