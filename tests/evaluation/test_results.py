"""Tables by class and of answers, against scikit-learn and by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, recall_score

from evaluation.config import EvaluateConfig
from evaluation.items import Video
from evaluation.protocols.audio import AudioSVM
from evaluation.protocols.base import Answers, FoldData, Measured
from evaluation.protocols.linear import probe
from evaluation.results import _remarks, answer_table, by_class, confusion, few_units, ranking_table
from evaluation.splits import Fold
from evaluation.subject import Subject


def subject(labels: list[str], folds: list[Fold]) -> Subject:
    videos = [Video(f"v{i}", "mine", label, None, {}, ()) for i, label in enumerate(labels)]
    return cast(Subject, SimpleNamespace(videos=videos, folds=folds))


def answered(test: np.ndarray, given: list[str], labels: list[str]) -> Measured:
    truth = np.array(labels, dtype=object)[test]
    return Measured({}, answers=Answers(test, np.array(given, dtype=object), truth))


def test_a_c_at_the_end_of_its_grid_is_told_with_whose_it_is_and_how_often() -> None:
    labels = ["a", "b"] * 8
    train, test = np.arange(12), np.arange(12, 16)
    rng = np.random.default_rng(0)
    x = (np.array([[0.0], [9.0]] * 8) + rng.normal(size=(16, 3))).astype(np.float32)
    data = FoldData(np.array(labels), np.arange(16).astype(str), train, test, np.arange(16))
    easy, wide = EvaluateConfig(c_grid=[0.5, 1.0, 2.0]), EvaluateConfig(c_grid=[1.0])
    at_end, only = (probe(data, x, config, "logistic") for config in (easy, wide))  # ties: the smallest
    sound = AudioSVM().measure(data, x, easy.model_copy(update={"pool": "features"}))
    assert at_end.tallied == sound.tallied == ["C was chosen at the end of its grid"]
    found = {"pretrained": [at_end, only, at_end], "random_weights": [only, at_end, only], "against": [only]}
    assert _remarks(found)[-1] == (
        "C was chosen at the end of its grid on 2 of 3 folds (pre-trained), on 1 of 3 folds (random weights)."
    )


def test_confusion_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    truth, given = (rng.choice(["a", "b", "c", "d"], size=200) for _ in range(2))
    classes = ["a", "b", "c", "d"]
    assert (confusion(truth, given, classes) == confusion_matrix(truth, given, labels=classes)).all()


def test_classes_are_pooled_over_folds_and_only_the_first_seed_counts() -> None:
    labels = ["a", "a", "b", "b", "c", "c"]
    train = np.arange(6)
    folds = [
        Fold("fold 1", "", train, np.array([0, 2, 4]), 7),
        Fold("fold 2", "", train, np.array([1, 3, 5]), 7),
    ]
    folds += [Fold(fold.name, "", train, fold.test, 8) for fold in folds]
    measured = [
        answered(folds[0].test, ["a", "b", "a"], labels),
        answered(folds[1].test, ["a", "c", "c"], labels),
    ]
    measured += [answered(fold.test, ["a", "a", "a"], labels) for fold in folds[2:]]
    found = by_class(subject(labels, folds), {"pretrained": measured})
    assert found["confusion"] == {"classes": ["a", "b", "c"], "counts": [[2, 0, 0], [0, 1, 1], [1, 0, 1]]}
    truth = ["a", "b", "c", "a", "b", "c"]
    expected = recall_score(truth, ["a", "b", "a", "a", "c", "c"], average=None)
    assert [row["accuracy"] for row in found["per_class"]] == pytest.approx(expected)
    assert [row["n"] for row in found["per_class"]] == [2, 2, 2]
    assert all(row["low"] < row["accuracy"] or row["accuracy"] == 0 for row in found["per_class"])


def test_intervals_over_few_groups_are_told() -> None:
    units = np.array([0, 0, 1, 1, 2, 3, 4, 5, 6])
    three = [
        Fold("fold 1", "", np.array([8]), np.array([0, 1, 2])),
        Fold("fold 2", "", np.array([8]), np.array([4])),
    ]
    assert few_units(three, units, grouped=True) == [
        "Intervals are over 3 groups of test items: too few to hold what they promise."
    ]
    assert "over 3 test items" in few_units(three, units, grouped=False)[0]
    assert few_units([Fold("fold 1", "", np.array([8]), np.arange(8))], units, grouped=True) == []
    assert few_units([], units, grouped=True) == []


def test_answers_and_rankings_name_videos() -> None:
    labels = ["a", "b", "a", "b"]
    fold = Fold("ucf101/1", "", np.array([0, 1]), np.array([2, 3]))
    one = answered(fold.test, ["a", "a"], labels)
    ranked = Measured({}, answers=one.answers, ranking=np.array([[1, 0], [1, 0]]))
    columns: dict[str, Any] = answer_table(
        subject(labels, [fold]), {"pretrained": [ranked], "against": [one]}
    )
    assert columns["video_id"] == ["v2", "v3"]
    assert columns["truth"] == ["a", "b"]
    assert columns["pretrained"] == columns["against"] == ["a", "a"]
    table = ranking_table(subject(labels, [fold]), [ranked])
    assert table["query"] == ["v2", "v2", "v3", "v3"]
    assert table["video_id"] == ["v1", "v0", "v1", "v0"]
    assert table["correct"] == [False, True, True, False]
    assert by_class(subject(labels, [fold]), {"pretrained": [Measured({})]}) == {
        "per_class": [],
        "confusion": {"classes": [], "counts": []},
    }
