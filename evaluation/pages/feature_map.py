"""A map of features: videos that a network finds alike lie near one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from evaluation.metrics import l2_normalised
from evaluation.pages.media import jpeg

MOST_VIDEOS = 500
"""On a map; of more some are drawn by lot."""
THUMBNAIL = 64  # pixels
_FEWEST = 3  # below this there is nothing to see
_FEWEST_TSNE = 12


@dataclass(frozen=True)
class Point:
    """A video on the map. `answer`: what it was taken for, where it was asked about."""

    video_id: str
    label: str
    test: bool
    answer: str | None = None

    @property
    def wrong(self) -> bool:
        """Whether it was taken for something else."""
        return self.answer is not None and self.answer != self.label


@dataclass(frozen=True)
class FeatureMap:
    """Points with their places, (N, 2) in 0..1, by each way to lay them out, and one picture of all thumbnails.

    `variance`: share of the features' variance that PCA's two axes hold. `videos`: how many there are in all.
    `thumbnails`: a JPEG with `columns` squares a row, in the order of the points; None where there are no pictures.
    """

    points: list[Point]
    places: dict[str, npt.NDArray[np.float64]]
    variance: float
    videos: int
    thumbnails: bytes | None
    columns: int


def lay_out(
    features: npt.NDArray[np.floating], seed: int
) -> tuple[dict[str, npt.NDArray[np.float64]], float]:
    """Features (N, D) -> places by `PCA` and, of enough videos, `t-SNE`, and the variance that PCA holds.

    Lengths do not count, as in retrieval. Both are deterministic.
    """
    points = l2_normalised(features)
    with threadpool_limits(1):
        with np.errstate(invalid="ignore"):  # all the same: no variance to hold a share of
            pca = PCA(2, svd_solver="full").fit(points)
        flat = pca.transform(points)
        places = {"PCA": _unit_square(flat)}
        if len(points) >= _FEWEST_TSNE:
            perplexity = min(30.0, (len(points) - 1) / 3)
            tsne = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1)
            places = {"t-SNE": _unit_square(tsne.fit_transform(points.astype(np.float32))), **places}
    return places, float(np.nan_to_num(pca.explained_variance_ratio_.sum()))


def can_be_drawn(features: npt.NDArray[np.floating]) -> bool:
    """Whether there are enough videos, and two numbers of each."""
    return len(features) >= _FEWEST and features.shape[1] >= 2


def drawn(count: int, seed: int) -> list[int]:
    """Which of `count` videos are on the map: all, or `MOST_VIDEOS` by lot."""
    chosen = np.random.default_rng(seed).permutation(count)[:MOST_VIDEOS]
    return sorted(chosen.tolist())


def mosaic(pictures: Sequence[npt.NDArray[np.uint8]]) -> tuple[bytes | None, int]:
    """Squares of one size as one JPEG, row by row, and how many a row holds."""
    columns = max(1, int(np.ceil(np.sqrt(len(pictures)))))
    if not pictures or not any(picture.size for picture in pictures):
        return None, columns
    rows = -(-len(pictures) // columns)
    sheet = np.zeros((rows * THUMBNAIL, columns * THUMBNAIL, 3), np.uint8)
    for i, picture in enumerate(pictures):
        if picture.size:
            top, left = i // columns * THUMBNAIL, i % columns * THUMBNAIL
            sheet[top : top + THUMBNAIL, left : left + THUMBNAIL] = picture
    return jpeg(sheet), columns


def _unit_square(places: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Scaled alike in both directions, so that distances stay comparable, and centred."""
    low, high = places.min(axis=0), places.max(axis=0)
    span = float((high - low).max()) or 1.0
    return (places - (low + high) / 2) / span + 0.5
