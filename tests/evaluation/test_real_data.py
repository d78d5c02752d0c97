"""Official lists and sounds of the real data sets."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from evaluation.classical import Classical
from evaluation.config import EvaluateConfig
from evaluation.coverage import coverage, measurable_folds
from evaluation.data import labelled_items
from evaluation.items import Video, labels_of
from evaluation.official import check_labels, listed_in, read_classes, read_official
from evaluation.protocols.audio import AudioSVM
from evaluation.protocols.base import FoldData
from evaluation.splits import divide

pytestmark = pytest.mark.realdata


def listed(real_data: Path, dataset: str) -> tuple[list[Video], str]:
    lists = str(real_data / "annotations" / dataset)
    items = labelled_items(str(real_data / dataset / "videos"), dataset, lists)
    return [Video(i.video_id, dataset, i.label, i.group, i.splits, (), uri=i.uri) for i in items], lists


@pytest.mark.parametrize(("dataset", "items", "classes"), [("ucf101", 13320, 101), ("hmdb51", 6766, 51)])
def test_the_clips_at_hand_through_the_official_lists(
    real_data: Path, dataset: str, items: int, classes: int
) -> None:
    videos, lists = listed(real_data, dataset)
    check_labels(videos, lists, dataset)
    known = read_classes(lists, dataset)
    assert known is not None and len(known[0]) == classes
    official = read_official(lists, dataset)
    assert len(official) == items
    division = divide(videos, dataset, "all", EvaluateConfig(), listed=True)
    assert [fold.name for fold in division.folds] == [f"{dataset}/{n}" for n in (1, 2, 3)]
    labels = labels_of(videos)
    folds, notes = measurable_folds(labels, division.folds)
    cover = coverage(
        labels, division.folds, listed_in(official, *division.keys), {video.video_id for video in videos}
    )
    assert cover["missing"] == cover["listed"] - cover["found"] > 5000
    groups = np.array([video.group for video in videos], dtype=object)
    for fold in division.folds:
        assert not set(groups[fold.train]) & set(groups[fold.test]), "no group on both sides"
        both = set(labels[fold.train]) & set(labels[fold.test])
        assert (fold.name in {kept.name for kept in folds}) == (len(both) >= 2)
        assert any(f"No accuracy on {fold.name}" in note for note in notes) == (len(both) < 2)
    if dataset == "ucf101":
        assert len(folds) == 3


def test_esc10_by_classical_baselines(real_data: Path) -> None:
    rows = list(csv.DictReader((real_data / "esc10" / "esc10.csv").open()))
    classical = Classical(16_000)
    moments, owner = [], []
    for number, row in enumerate(rows):
        wave, rate = soundfile.read(real_data / "esc10" / row["path"], dtype="float32")
        assert rate == 44_100
        moments.append(classical.embed(audio=resample_poly(wave, 160, 441)[None].astype(np.float32)).audio)
        owner.append(number)
    fold = np.array([int(row["fold"]) for row in rows])
    labels = np.array([row["category"] for row in rows], dtype=object)
    groups = np.array([row["esc50_filename"].split("-")[1] for row in rows], dtype=object)
    test = np.flatnonzero(fold == 1)
    data = FoldData(labels, groups, np.flatnonzero(fold != 1), test, np.array(owner))
    assert not set(groups[data.train]) & set(groups[data.test])
    features = np.concatenate([part for part in moments if part is not None])
    found = {
        name: measure(data, features, EvaluateConfig()).metrics["top1_video"].values.mean()
        for name, measure in AudioSVM().classical().items()
    }
    assert found["classical"] > 0.65
    assert found["classical_rbf"] > 0.75
