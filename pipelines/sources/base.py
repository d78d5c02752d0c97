"""What a source is: a listing of media files with what the data set's annotations say of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from chronav import storage
from chronav.errors import CallError
from chronav.storage import StoredFile


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


@dataclass(frozen=True)
class Listing:
    """The items of a source; `ignored` counts files that the data set's layout does not know."""

    items: list[SourceItem]
    ignored: int = 0


def media_files(source: str, outside: tuple[str, ...] = ()) -> list[StoredFile]:
    """All visible files below the folder `source`, but none below the folders in `outside`.

    Raises `CallError` when there is no such folder or nothing in it.
    """
    if not storage.is_dir(source):
        what = "is not a folder" if storage.exists(source) else "does not exist"
        raise CallError(f"source '{source}' {what}", code="missing_source", path=source)
    prefixes = tuple(storage.absolute(path) + "/" for path in outside)
    found = [file for file in storage.list_files(source) if not file.uri.startswith(prefixes)]
    if not found:
        raise CallError(f"source folder '{source}' holds no files", code="empty_source", path=source)
    return found


def annotation_folder(path: str) -> str:
    """The folder of annotation files; raises `CallError` when it is not there."""
    if not storage.is_dir(path):
        raise CallError(f"annotation folder '{path}' does not exist", code="missing_annotations", path=path)
    return path


def annotation_text(path: str) -> str:
    """The text of an annotation file; raises `CallError` when it is not there."""
    if not storage.is_file(path):
        raise CallError(f"annotation file '{path}' does not exist", code="missing_annotations", path=path)
    return storage.read_bytes(path).decode("utf-8-sig")


def file_name(uri: str) -> str:
    """`a/b/c.avi` -> `c.avi`."""
    return uri.rpartition("/")[2]


def file_stem(uri: str) -> str:
    """`a/b/c.avi` -> `c`."""
    return file_name(uri).rpartition(".")[0] or file_name(uri)
