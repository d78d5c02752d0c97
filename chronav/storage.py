"""Paths that may be local or a URL (`s3://`, `gs://`, `file://`), through fsspec and pyarrow.fs.

Both are loaded when a path is first used: the networks and their config work on a machine that has neither.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import fsspec
    import pyarrow.fs


@dataclass(frozen=True)
class StoredFile:
    """One file as a listing shows it: absolute path or URL, bytes, modification time (Unix seconds)."""

    uri: str
    size: int
    mtime: float


def is_url(path: str) -> bool:
    """Whether `path` names a remote store rather than a local file."""
    return "://" in path and not path.startswith("file://")


def absolute(path: str) -> str:
    """A URL unchanged; a local path made absolute, so that a worker elsewhere on the node finds it."""
    return path.rstrip("/") if is_url(path) else os.path.abspath(path.removeprefix("file://"))


def join(path: str, *parts: str) -> str:
    """Append parts to a local path or URL."""
    return "/".join([path.rstrip("/"), *parts])


def sha256(path: str) -> str:
    """The hash of a local file's content, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def parent(path: str) -> str:
    """The folder that holds `path`."""
    return path.rstrip("/").rpartition("/")[0] if is_url(path) else os.path.dirname(absolute(path))


def _fs(path: str) -> tuple[fsspec.AbstractFileSystem, str]:
    import fsspec

    if not is_url(path):
        return fsspec.core.url_to_fs(absolute(path))
    # Listings are cached in the process by default: what another process or pyarrow wrote would be missed.
    return fsspec.core.url_to_fs(path, use_listings_cache=False)


def arrow_fs(path: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """The pyarrow file system for `path`, and the path within it."""
    import pyarrow.fs

    if is_url(path):
        return pyarrow.fs.FileSystem.from_uri(path)
    return pyarrow.fs.LocalFileSystem(), absolute(path)


def exists(path: str) -> bool:
    """Whether a file or folder is there."""
    fs, inner = _fs(path)
    return bool(fs.exists(inner))


def is_file(path: str) -> bool:
    """Whether a file is there."""
    fs, inner = _fs(path)
    return bool(fs.isfile(inner))


def is_dir(path: str) -> bool:
    """Whether a folder is there."""
    fs, inner = _fs(path)
    return bool(fs.isdir(inner))


def make_dirs(path: str) -> None:
    """Make a folder and its parents; object stores have none, so nothing happens there."""
    if not is_url(path):
        os.makedirs(absolute(path), exist_ok=True)


def read_bytes(path: str) -> bytes:
    """The content of a file."""
    fs, inner = _fs(path)
    return fs.cat_file(inner)


def write_bytes(path: str, data: bytes) -> None:
    """Write a file, whole or not at all (local: through a temporary name)."""
    fs, inner = _fs(path)
    if is_url(path):
        fs.pipe_file(inner, data)
        return
    make_dirs(parent(path))
    temporary = f"{inner}.{os.getpid()}.tmp"
    try:
        Path(temporary).write_bytes(data)
        os.replace(temporary, inner)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def create_bytes(path: str, data: bytes) -> bool:
    """Write a file where there is none; False, and nothing written, where there is one.

    One step on local disks and where the store has conditional writes (S3, GCS).
    """
    fs, inner = _fs(path)
    try:
        if is_url(path):
            fs.pipe_file(inner, data, mode="create")
        else:
            make_dirs(parent(path))
            with open(inner, "xb") as file:
                file.write(data)
    except FileExistsError:
        return False
    return True


def remove(path: str) -> None:
    """Delete a file, or a folder with all that is in it; nothing happens where there is none."""
    fs, inner = _fs(path)
    with contextlib.suppress(FileNotFoundError):
        fs.rm(inner, recursive=True)


def list_files(root: str) -> Iterator[StoredFile]:
    """All files below a folder, sorted by path; hidden files and folders are left out."""
    fs, inner = _fs(root)
    found = fs.find(inner, detail=True)
    prefix = inner.rstrip("/") + "/"
    protocol = root.split("://")[0] + "://" if is_url(root) else ""
    for path in sorted(found):
        if any(part.startswith(".") for part in path.removeprefix(prefix).split("/")):
            continue
        info = found[path]
        yield StoredFile(protocol + path, int(info["size"] or 0), _modified(info))


def _modified(info: dict) -> float:
    for key in ("mtime", "LastModified", "updated", "last_modified"):
        value = info.get(key)
        if value is not None:
            return float(value.timestamp()) if hasattr(value, "timestamp") else float(value)
    return 0.0
