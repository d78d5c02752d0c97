"""What a source is: a listing of media files with what the data set's annotations say of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class SourceItem:
    """One media file: where it is, how to tell that it changed, and its annotations.

    `spare_id`: what it goes by where another file has its `video_id`; without one it is then a duplicate.
    """

    uri: str
    size: int
    mtime: float
    video_id: str
    dataset: str
    label: str | None = None
    group: str | None = None
    splits: Mapping[str, str] = field(default_factory=dict)
    spare_id: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the way to a task."""
        return asdict(self)

    def annotations_hash(self) -> str:
        """By which the ledger tells whether a source says of a file what it said before."""
        return hash_annotations(self.dataset, self.label, self.group, self.splits)


@dataclass(frozen=True)
class Listing:
    """The items of a source, and what is amiss with it.

    `ignored`: how many files the data set's layout does not know, and rows of a table of uris that name a file again.
    `left_out`: the first thousands of these, and why each is.
    `missing`: what the annotations name and the source lacks, sorted: ids of the data set, or uris of a table.
    `lacks`: tells of a uri whether it would be of this source if it were there, and is not.
    `annotated`: whether official lists or columns of a table of uris say anything of its files, beyond their names.
    """

    items: list[SourceItem]
    ignored: int
    missing: list[str]
    lacks: Callable[[str], bool]
    annotated: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)


def hash_annotations(
    dataset: str | None, label: str | None, group: str | None, splits: Mapping[str, str]
) -> str:
    """A short stable hash of what a source says of a file, whatever the order of the splits."""
    text = json.dumps([dataset, label, group, sorted(splits.items())])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_name(uri: str) -> str:
    """`a/b/c.avi` -> `c.avi`."""
    return uri.rpartition("/")[2]


def file_stem(uri: str) -> str:
    """`a/b/c.avi` -> `c`."""
    return file_name(uri).rpartition(".")[0] or file_name(uri)
