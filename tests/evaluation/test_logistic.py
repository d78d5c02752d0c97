"""Logistic regression is scikit-learn's, in fewer steps."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from evaluation.logistic import Logistic

pytestmark = pytest.mark.usefixtures("one_blas_thread")
LIMIT = 3000


def correlated(classes: int = 7, n: int = 1500, dim: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Standardised features whose spectrum spans five orders of magnitude; classes overlap."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % classes
    hidden = 0.7 * rng.normal(size=(classes, dim))[y] + rng.normal(size=(n, dim))
    mixed = (hidden * np.logspace(0, -2.5, dim)) @ rng.normal(size=(dim, dim))
    x = StandardScaler().fit_transform(
        np.hstack([mixed[:, :-1], np.ones((n, 1))])
    )  # one of them says nothing
    return x.astype(np.float32), np.array([f"class {k}" for k in range(classes)])[y]


@pytest.mark.parametrize("c", [0.001, 0.1, 10.0])
def test_the_fit_is_scikit_learns_where_that_has_converged(c: float) -> None:
    x, y = correlated()
    exact = LogisticRegression(C=c, tol=1e-8, max_iter=100_000).fit(x.astype(np.float64), y)
    ours = Logistic(C=c, max_iter=LIMIT).fit(x, y)
    theirs = LogisticRegression(C=c, tol=1e-6, max_iter=LIMIT).fit(x, y)  # as far as its tolerance takes it
    assert ours.converged_ and ours.classes_.tolist() == exact.classes_.tolist()
    truth = exact.predict_proba(x.astype(np.float64))
    far, theirs_far = (np.abs(one.predict_proba(x) - truth).max() for one in (ours, theirs))
    assert far < 1e-3
    assert far <= theirs_far
    assert ours.n_iter_[0] < theirs.n_iter_[0]
    assert (ours.predict(x) == exact.predict(x.astype(np.float64))).mean() > 0.998


def test_a_fit_that_begins_at_another_ends_at_the_same_place_sooner() -> None:
    x, y = correlated()
    cold = Logistic(C=1.0, max_iter=LIMIT).fit(x, y)
    warm = Logistic(C=1.0, max_iter=LIMIT)
    warm.begin = Logistic(C=0.5, max_iter=LIMIT).fit(x, y)
    warm.fit(x, y)
    assert warm.n_iter_[0] < cold.n_iter_[0]
    assert np.abs(warm.predict_proba(x) - cold.predict_proba(x)).max() < 1e-3
    other = Logistic(C=1.0, max_iter=LIMIT)  # a beginning of other classes is none
    other.begin = Logistic(C=1.0).fit(x, np.where(y == "class 0", "class 1", y))
    assert other.fit(x, y).classes_.size == 7


@pytest.mark.parametrize("rows", [slice(None, None), slice(0, 40)])
def test_two_classes_and_few_examples_are_scikit_learns_own_fit(rows: slice) -> None:
    x, y = correlated(classes=2) if rows.stop is None else correlated()
    x, y = x[rows], y[rows]
    ours, theirs = Logistic(C=0.3).fit(x, y), LogisticRegression(C=0.3).fit(x, y)
    assert (ours.coef_ == theirs.coef_).all()
    assert ours.converged_


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_that_was_cut_short_has_not_converged() -> None:
    for x, y in (correlated(), correlated(classes=2)):
        assert not Logistic(C=10.0, max_iter=2).fit(x, y).converged_
