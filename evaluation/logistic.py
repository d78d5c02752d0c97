"""Multinomial logistic regression that converges in few steps where features are many and correlated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

_FLAT = 1e-6
"""A fit may end where no component of the gradient of the mean loss is steeper.

A hundredth of scikit-learn's, which at weak regularisation leaves the weights, and what is held out, to the path.
"""
_NO_GAIN = 1e-9
"""Or where a step lowers the loss by less, relative to it where it is above 1: it is summed up from float32."""


class Logistic(LogisticRegression):
    """scikit-learn's multinomial logistic regression, the same loss and penalty, closer to its minimum.

    L-BFGS works in coordinates in which the loss is about equally curved in all directions; in those of the features,
    whose spectrum spans several orders of magnitude, it takes many times as many steps. Where that saves nothing,
    with two classes or with no more examples than features, scikit-learn's own fit is used, at its tolerance.
    `converged_`: whether the fit ended by any of these before `max_iter`.
    """

    classes_: np.ndarray  # (C,)
    coef_: npt.NDArray[np.floating]  # (C, D); of two classes (1, D)
    intercept_: npt.NDArray[np.floating]  # (C,)
    n_iter_: npt.NDArray[np.int32]
    converged_: bool
    begin: Logistic | None = None
    """A fit of the same classes to the same examples, with another C: where to begin."""

    def fit(self, x: npt.NDArray[np.floating], y: np.ndarray, sample_weight: None = None) -> Logistic:
        """Fit to standardised features, (N, D), and classes, (N,); in the precision of the features."""
        classes, number = np.unique(y, return_inverse=True)
        n, dim = x.shape
        if classes.size < 3 or n <= dim:
            super().fit(x, y)
            self.converged_ = bool(np.max(self.n_iter_) < self.max_iter)
            return self
        loss = _Loss(x, number, classes.size, 1 / (self.C * n))
        first = np.zeros((dim + 1, classes.size))
        if self.begin is not None and np.array_equal(self.begin.classes_, classes):
            first = np.vstack([self.begin.coef_.T, self.begin.intercept_])

        def stop_where_flat(intermediate_result: Any) -> None:
            if loss.steepest <= _FLAT:
                raise StopIteration

        end = minimize(
            loss,
            loss.seen(first),
            jac=True,
            method="L-BFGS-B",
            callback=stop_where_flat,
            options={"maxiter": self.max_iter, "gtol": 0.0, "ftol": _NO_GAIN},
        )
        weights = loss.weights(end.x)
        self.classes_, self.n_features_in_ = classes, dim
        self.coef_, self.intercept_ = weights[:-1].T.astype(x.dtype), weights[-1].astype(x.dtype)
        self.n_iter_ = np.array([end.nit], np.int32)
        self.converged_ = bool(end.nit < self.max_iter)
        return self


@dataclass
class _Loss:
    """Mean cross-entropy and penalty, with the gradient, over weights in other coordinates.

    The Hessian of the loss at weights of zero is, class by class, about (x' x / N) / C: its inverse square root, with
    the penalty in it, is what maps the coordinates to weights. `steepest`: the largest component of the latest
    gradient with respect to the weights themselves, by which scikit-learn tells convergence.
    """

    x: npt.NDArray[np.floating]  # (N, D)
    number: npt.NDArray[np.intp]  # (N,) class numbers
    classes: int
    penalty: float
    steepest: float = np.inf
    _map: npt.NDArray[np.float64] = field(init=False)  # (D, D)
    _unmap: npt.NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        values, vectors = np.linalg.eigh((self.x.T @ self.x).astype(np.float64) / len(self.x))
        scales = np.sqrt(np.maximum(values, 0) / self.classes + self.penalty)
        self._map, self._unmap = vectors / scales, (vectors * scales).T
        self._rows = np.arange(len(self.x))

    def seen(self, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Weights, (D + 1, C) with the intercepts below, as a flat vector of coordinates."""
        return np.vstack([self._unmap @ weights[:-1], weights[-1] / np.sqrt(self.classes)]).ravel()

    def weights(self, flat: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The reverse of `seen`."""
        places = flat.reshape(-1, self.classes)
        return np.vstack([self._map @ places[:-1], places[-1] * np.sqrt(self.classes)])

    def __call__(self, flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        """The loss, and its gradient in the same coordinates."""
        weights, n = self.weights(flat), len(self.x)
        scores = self.x @ weights[:-1].astype(self.x.dtype) + weights[-1].astype(self.x.dtype)  # (N, C)
        scores -= scores.max(axis=1, keepdims=True)
        right = scores[self._rows, self.number].sum(dtype=np.float64)
        np.exp(scores, out=scores)
        sums = scores.sum(axis=1)
        value = (np.log(sums.astype(np.float64)).sum() - right) / n
        scores /= sums[:, None]
        scores[self._rows, self.number] -= 1
        slope = (self.x.T @ scores).astype(np.float64) / n + self.penalty * weights[:-1]
        of_bias = scores.sum(axis=0, dtype=np.float64) / n
        self.steepest = max(float(np.abs(slope).max()), float(np.abs(of_bias).max()))
        gradient = np.vstack([self._map.T @ slope, of_bias * np.sqrt(self.classes)])
        return value + 0.5 * self.penalty * float(np.square(weights[:-1]).sum()), gradient.ravel()
