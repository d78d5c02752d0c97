"""Classifiers on frozen features; their regularisation is chosen within the training data."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from evaluation.logistic import Logistic

Features = npt.NDArray[np.float32]
Kind = Literal["logistic", "linear_svm", "rbf_svm"]
_MAX_ITERATIONS = 500


@dataclass(frozen=True)
class Choice:
    """The regularisation chosen, and whether it was chosen by validation (else the middle of the grid).

    `at_edge`: it was, and is the smallest or the largest of the grid: beyond it may lie a better one.
    """

    c: float
    validated: bool
    at_edge: bool = False


def fit(
    x: Features, y: np.ndarray, c: float, kind: Kind = "logistic", begin: Pipeline | None = None
) -> Pipeline:
    """Standardisation and a classifier, fitted on (N, D) features and (N,) classes.

    `begin`: a fit to the same with another C, which saves a logistic regression a part of its steps.
    `logistic`: multinomial logistic regression. `linear_svm`: one class against the rest, squared hinge loss.
    `rbf_svm`: SVM whose kernel's width is that of the features (1 / (D variance)).
    """
    model = make_pipeline(StandardScaler(), _classifier(c, kind))
    if kind == "logistic" and begin is not None:
        model[-1].begin = begin[-1]
    with warnings.catch_warnings():
        # A fit that stops at the iteration limit is still a classifier; validation judges it, the report says so.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(x, y)


def stopped_early(model: Pipeline) -> bool:
    """Whether the fit ended before it had converged."""
    classifier = model[-1]
    if isinstance(classifier, Logistic):
        return not classifier.converged_
    limit = classifier.max_iter
    return limit > 0 and bool(np.max(classifier.n_iter_) >= limit)


def _classifier(c: float, kind: Kind) -> Logistic | LinearSVC | SVC:
    if kind == "logistic":
        return Logistic(C=c, max_iter=_MAX_ITERATIONS)
    if kind == "linear_svm":
        return LinearSVC(C=c, max_iter=_MAX_ITERATIONS, random_state=0)
    return SVC(C=c, kernel="rbf", gamma="scale", decision_function_shape="ovr")


def choose_c(
    x: Features,
    y: np.ndarray,
    groups: np.ndarray,
    grid: Sequence[float],
    folds: int,
    seed: int,
    kind: Kind = "logistic",
) -> Choice:
    """The C of the grid with the best accuracy on held-out groups of the training data; ties: the smaller.

    Held-out rows of a class that the rest of the training data lacks tell nothing of C, and are not counted. With one
    value in the grid, or no class in two groups (one video a class, however many clips), nothing can be compared: the
    middle one.
    """
    ordered = sorted(grid)
    n_folds = min(folds, max(Counter(label for label, _ in set(zip(y, groups, strict=True))).values()))
    splits = _usable_splits(x, y, groups, n_folds, seed) if n_folds >= 2 and len(ordered) > 1 else []
    if not splits:
        return Choice(ordered[len(ordered) // 2], validated=False)
    right = [_right_along(x[t], y[t], x[held], y[held], ordered, kind) for t, held in splits]
    best = int(np.argmax(np.mean(right, axis=0)))
    return Choice(ordered[best], validated=True, at_edge=best in (0, len(ordered) - 1))


def _right_along(
    x: Features, y: np.ndarray, asked: Features, truth: np.ndarray, grid: Sequence[float], kind: Kind
) -> list[float]:
    """Share of `asked` that is told right with each C of the grid; a fit begins where the last one ended."""
    model, right = None, []
    for c in grid:
        model = fit(x, y, c, kind, model)
        right.append(float(np.mean(model.predict(asked) == truth)))
    return right


def _usable_splits(
    x: Features, y: np.ndarray, groups: np.ndarray, folds: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to train on, and held-out rows whose class is among them, of each fold that has both."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes rarer than there are folds
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        splits = list(splitter.split(x, y, groups))
    answerable = [(train, held[np.isin(y[held], y[train])]) for train, held in splits]
    return [(train, held) for train, held in answerable if held.size and len(set(y[train])) > 1]


def class_scores(model: Pipeline, x: Features) -> tuple[npt.NDArray[np.float64], np.ndarray]:
    """Scores (N, C), the higher the likelier, and the classes (C,) in the order of the columns.

    Class probabilities of a logistic regression; of an SVM its decision values.
    """
    if hasattr(model, "predict_proba"):
        return model.predict_proba(x), model.classes_
    scores = model.decision_function(x)
    return (scores if scores.ndim == 2 else np.stack([-scores, scores], axis=1)), model.classes_
