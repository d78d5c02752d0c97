from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from evaluation import classifier
from evaluation.classifier import Kind, choose_c, class_scores, fit, stopped_early

pytestmark = pytest.mark.usefixtures("one_blas_thread")
GRID = [0.0001, 0.01, 1.0]


def blobs(rng: np.random.Generator, n: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    y = np.array(["a", "b", "c"])[np.arange(n) % 3]
    centres = {"a": [3.0, 0, 0, 0], "b": [0, 3.0, 0, 0], "c": [0, 0, 3.0, 0]}
    x = np.array([centres[label] for label in y]) + noise * rng.normal(size=(n, 4))
    return x.astype(np.float32), y


def test_fit_is_logistic_regression_on_standardised_features() -> None:
    x, y = blobs(np.random.default_rng(0), 90, 2.0)
    x = x * [1, 10, 100, 1000] + 5
    scores, classes = class_scores(fit(x, y, 0.1), x)
    plain = LogisticRegression(C=0.1, max_iter=1000).fit(StandardScaler().fit_transform(x), y)
    assert classes.tolist() == ["a", "b", "c"]
    assert scores == pytest.approx(plain.predict_proba(StandardScaler().fit_transform(x)), abs=1e-3)


def test_groups_are_never_torn_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = blobs(np.random.default_rng(1), 90, 1.0)
    groups = np.repeat(np.arange(15), 6)
    tags = np.column_stack([x, np.arange(90)]).astype(np.float32)  # the last column says which row it is
    seen: list[tuple[set, set]] = []
    real_fit = classifier.fit

    class Spy:
        def __init__(self, rows: np.ndarray, classes: np.ndarray, c: float, kind: Kind, _: Any) -> None:
            self.trained = {int(groups[int(row[-1])]) for row in rows}
            self.model = real_fit(rows, classes, c, kind)

        def predict(self, rows: np.ndarray) -> np.ndarray:
            seen.append((self.trained, {int(groups[int(row[-1])]) for row in rows}))
            return self.model.predict(rows)

    monkeypatch.setattr(classifier, "fit", Spy)
    choose_c(tags, y, groups, GRID, 3, 0)
    assert len(seen) == len(GRID) * 3
    for trained, held_out in seen:
        assert not trained & held_out
        assert trained | held_out == set(range(15))


def test_choice_is_that_of_a_grid_search() -> None:
    chosen = set()
    for seed in range(4):
        rng = np.random.default_rng(seed)
        x, y = blobs(rng, 120, 1.5 if seed % 2 else 6.0)
        x = np.hstack([x, rng.normal(size=(120, 60))]).astype(np.float32)
        groups = rng.permutation(np.repeat(np.arange(30), 4))
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
        folds = StratifiedGroupKFold(3, shuffle=True, random_state=0)
        search = GridSearchCV(model, {"logisticregression__C": GRID}, cv=folds).fit(x, y, groups=groups)
        choice = choose_c(x, y, groups, GRID, 3, 0)
        best = search.best_params_["logisticregression__C"]
        assert choice == classifier.Choice(best, validated=True, at_edge=best != GRID[1])
        chosen.add(choice.c)
    assert chosen >= {GRID[1]} and len(chosen) > 1


def test_ties_take_the_stronger_regularisation() -> None:
    x, y = blobs(np.random.default_rng(3), 60, 0.01)
    choice = choose_c(x, y, np.arange(60), [1.0, 0.1, 0.5], 3, 0)
    assert choice == classifier.Choice(0.1, validated=True, at_edge=True)


def test_too_few_groups_to_choose() -> None:
    x, y = blobs(np.random.default_rng(4), 30, 0.1)
    assert choose_c(x, y, np.zeros(30), GRID, 3, 0) == classifier.Choice(0.01, validated=False)
    one_class_left = np.array([0] * 10 + [1] * 20)
    y = np.array(["a"] * 10 + ["b"] * 20)
    assert not choose_c(x, y, one_class_left, GRID, 3, 0).validated


def test_fewer_items_a_class_than_inner_folds_are_compared_as_far_as_they_go() -> None:
    rng = np.random.default_rng(0)
    x, groups = rng.normal(size=(8, 3)).astype(np.float32), np.arange(8).astype(str)
    assert choose_c(x, np.repeat(list("abcd"), 2), groups, [0.1, 1.0], 3, 0).validated
    assert not choose_c(x, np.array(list("abcdefgh")), groups, [0.1, 1.0], 3, 0).validated


def test_one_video_a_class_chooses_nothing_however_many_its_clips() -> None:
    rng = np.random.default_rng(0)
    y, groups = np.repeat(list("abcdef"), 10), np.repeat(np.arange(6), 10)
    x = (np.eye(6)[groups] + 0.1 * rng.normal(size=(60, 6))).astype(np.float32)
    assert choose_c(x, y, groups, GRID, 3, 0) == classifier.Choice(0.01, validated=False)


def test_only_classes_that_are_trained_on_are_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two classes of four videos each and four of one, ten clips a video; the last column says which row it is.
    groups = np.repeat(np.arange(12), 10)
    y = np.array(list("aaaabbbbcdef"))[groups]
    tags = np.column_stack([np.random.default_rng(0).normal(size=(120, 3)), np.arange(120)])
    asked: list[tuple[set, set]] = []
    real_fit = classifier.fit

    class Spy:
        def __init__(self, rows: np.ndarray, classes: np.ndarray, c: float, kind: Kind, _: Any) -> None:
            self.trained, self.model = set(classes), real_fit(rows, classes, c, kind)

        def predict(self, rows: np.ndarray) -> np.ndarray:
            asked.append((self.trained, {y[int(row[-1])] for row in rows}))
            return self.model.predict(rows)

    monkeypatch.setattr(classifier, "fit", Spy)
    assert choose_c(tags.astype(np.float32), y, groups, GRID, 3, 0).validated
    assert asked
    assert all(held_out <= trained for trained, held_out in asked)


@pytest.mark.parametrize(("kind", "plain"), [("linear_svm", LinearSVC(C=0.1)), ("rbf_svm", SVC(C=0.1))])
def test_svms_are_scikit_learns_on_standardised_features(kind: Kind, plain: LinearSVC | SVC) -> None:
    x, y = blobs(np.random.default_rng(5), 120, 1.5)
    for classes in (("a", "b", "c"), ("a", "b")):  # two classes have one column of decisions
        rows = np.isin(y, classes)
        scores, names = class_scores(fit(x[rows], y[rows], 0.1, kind), x[rows])
        scaled = StandardScaler().fit_transform(x[rows])
        expected = plain.fit(scaled, y[rows])
        assert scores.shape == (rows.sum(), len(classes))
        assert (names[scores.argmax(axis=1)] == expected.predict(scaled)).mean() > 0.98


@pytest.mark.parametrize("kind", ["logistic", "linear_svm", "rbf_svm"])
def test_a_fit_that_ended_at_the_limit_is_told(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 5)).astype(np.float32), rng.integers(3, size=60).astype(str)
    assert not stopped_early(fit(x, y, 0.1, kind))
    monkeypatch.setattr(classifier, "_MAX_ITERATIONS", 1)
    assert stopped_early(fit(x, y, 0.1, kind)) == (kind != "rbf_svm")  # which has no limit
