"""The labels of the training tables: to watch by, never to learn from.

They come from a read of their own, of the two columns that it names. What training reads of a table
(`trainer.input`, `trainer.tables`) does not name the label column, and nothing there imports this package.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from pipelines.table import open_table, read_meta
from trainer.batch import video_key

UNKNOWN = -1


class Labels:
    """Codes of the labels of videos, by the hash that names a video in batches and banks."""

    def __init__(self, codes: dict[int, int]) -> None:
        """`codes`: `video_key` -> code of its label, from 0."""
        keys = np.fromiter(codes, np.int64, len(codes))
        order = np.argsort(keys)
        self._keys = torch.from_numpy(keys[order])
        self._codes = torch.from_numpy(np.fromiter(codes.values(), np.int64, len(codes))[order])

    def __len__(self) -> int:
        return len(self._keys)

    def of(self, video: Tensor) -> Tensor:
        """Codes of the videos (n,), on their device; `UNKNOWN` where a video has none."""
        if not len(self._keys):
            return torch.full_like(video, UNKNOWN)
        wanted = video.cpu().contiguous()
        at = torch.searchsorted(self._keys, wanted).clamp_max(len(self._keys) - 1)
        return torch.where(self._keys[at] == wanted, self._codes[at], UNKNOWN).to(video.device)


def read_labels(tables: Iterable[tuple[str, int]]) -> Labels:
    """The labels of all labelled videos of `tables`: (path, version) each; equal texts are one label."""
    codes: dict[int, int] = {}
    known: dict[str, int] = {}
    for path, version in tables:
        rows = read_meta(open_table(path, version), ("dataset", "video_id", "label"))
        rows = rows.filter(rows.column("label").is_valid())
        for row in rows.group_by(["dataset", "video_id"]).aggregate([("label", "min")]).to_pylist():
            key = video_key(row["dataset"], row["video_id"])
            codes.setdefault(key, known.setdefault(row["label_min"], len(known)))
    return Labels(codes)
