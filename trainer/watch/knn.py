"""A k-nearest-neighbour classifier on frozen features: nothing is trained, so that it can be asked often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_K = 10
_TAU = 0.07  # temperature of the votes (Wu et al., CVPR 2018)


@dataclass(frozen=True)
class Asked:
    """N labelled videos: who is classified, and among whom its neighbours are sought."""

    label: np.ndarray  # (N,) int codes
    unit: np.ndarray  # (N,) int: videos of one unit (a group, else the video itself) are never neighbours
    query: np.ndarray  # (N,) bool
    gallery: np.ndarray  # (N,) bool

    def __getitem__(self, rows: np.ndarray) -> Asked:
        return Asked(self.label[rows], self.unit[rows], self.query[rows], self.gallery[rows])


def knn_top1(features: np.ndarray, asked: Asked) -> dict[str, float | int] | None:
    """`value`: top-1 of a vote of the 10 nearest by cosine, each with weight exp(cosine / 0.07); `n` queries.

    `chance`: what one neighbour drawn at random would score. `features`: (N, D). Queries without any neighbour do
    not count; None where none is left.
    """
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    query, gallery = np.flatnonzero(asked.query), np.flatnonzero(asked.gallery)
    allowed = asked.unit[query, None] != asked.unit[None, gallery]  # (Q, G)
    answerable = allowed.any(axis=1)
    query, allowed = query[answerable], allowed[answerable]
    if not len(query):
        return None
    cosine = np.where(allowed, unit[query] @ unit[gallery].T, -np.inf)
    nearest = np.argsort(-cosine, axis=1, kind="stable")[:, :_K]  # (Q, k)
    weight = np.exp(np.take_along_axis(cosine, nearest, axis=1) / _TAU)  # 0 for those that are not allowed
    votes = np.zeros((len(query), int(asked.label.max()) + 1))
    np.add.at(votes, (np.arange(len(query))[:, None], asked.label[gallery][nearest]), weight)
    alike = allowed & (asked.label[query, None] == asked.label[None, gallery])
    return {
        "value": float((votes.argmax(axis=1) == asked.label[query]).mean()),
        "chance": float((alike.sum(axis=1) / allowed.sum(axis=1)).mean()),
        "n": len(query),
    }
