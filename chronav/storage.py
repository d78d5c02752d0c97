"""Paths that may be local or a URL (`s3://`, `gs://`, `file://`), through fsspec and pyarrow.fs.

Where a remote store is at fault, every function raises `OSError`. Both libraries are loaded when a path is first
used: the networks and their config work on a machine that has neither.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chronav import remote
from chronav.errors import CallError

if TYPE_CHECKING:
    import pyarrow.fs

_NO_TABLE = frozenset("%#?[]^|\\")  # in deltalake 1 each breaks its log, its history or its names
_BLOCK = 8 * 2**20  # bytes that a download holds at a time


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
    """The hash of a file's content, in hexadecimal. Raises `OSError` when it cannot be read to its end."""
    if is_url(path):
        digest = hashlib.sha256()
        for data in _pieces(path):
            digest.update(data)
        return digest.hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def ends(path: str, size: int, length: int) -> bytes:
    """The first and the last `length` bytes of a file of `size` bytes. Raises `OSError` when they cannot be read."""
    if is_url(path):
        fs, inner = fsspec_fs(path)
        return fs.cat_file(inner, start=0, end=length) + fs.cat_file(inner, start=size - length, end=size)
    with open(path, "rb") as file:
        head = file.read(length)
        file.seek(size - length)
        return head + file.read(length)


def parent(path: str) -> str:
    """The folder that holds `path`."""
    return path.rstrip("/").rpartition("/")[0] if is_url(path) else os.path.dirname(absolute(path))


def fsspec_fs(path: str) -> tuple[Any, str]:
    """The fsspec file system for `path`, and the path within it."""
    if is_url(path):
        store = remote.FileSystem(path)
        return store, store.inner
    from fsspec.implementations.local import LocalFileSystem

    return LocalFileSystem(), absolute(path)  # fsspec's own way from a path takes `::` for a chain of stores


def arrow_fs(path: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """The pyarrow file system for `path`, and the path within it."""
    if is_url(path):
        return remote.arrow_fs(path)
    import pyarrow.fs

    return pyarrow.fs.LocalFileSystem(), absolute(path)


def delta_place(path: str) -> tuple[str, dict[str, str] | None]:
    """What deltalake is to be called with for the table at `path`: where it is, and the storage options.

    Raises `CallError` for a path or URL with a character that deltalake takes apart, or takes for a URL's own.
    """
    if odd := sorted(_NO_TABLE & set(absolute(path))):
        message = f"a table cannot be at a path with {' or '.join(map(repr, odd))}: '{absolute(path)}'"
        raise CallError(message, code="bad_path", path=path)
    if is_url(path):
        return remote.delta_url(absolute(path)), remote.delta_options(path)
    return absolute(path), None


def exists(path: str) -> bool:
    """Whether a file or folder is there."""
    fs, inner = fsspec_fs(path)
    return bool(fs.exists(inner))


def is_file(path: str) -> bool:
    """Whether a file is there."""
    fs, inner = fsspec_fs(path)
    return bool(fs.isfile(inner))


def is_dir(path: str) -> bool:
    """Whether a folder is there."""
    fs, inner = fsspec_fs(path)
    return bool(fs.isdir(inner))


def make_dirs(path: str) -> None:
    """Make a folder and its parents; object stores have none, so nothing happens there."""
    if not is_url(path):
        os.makedirs(absolute(path), exist_ok=True)


def read_bytes(path: str) -> bytes:
    """The content of a file."""
    fs, inner = fsspec_fs(path)
    return fs.cat_file(inner)


def download(url: str, path: str) -> str:
    """Copy a remote file to the local `path`, a few megabytes at a time; the hash of its content, in hexadecimal.

    Raises `OSError` when it is not there, cannot be read to its end, or is replaced meanwhile.
    """
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for data in _pieces(url):
            digest.update(data)
            file.write(data)
    return digest.hexdigest()


def _pieces(url: str) -> Iterator[bytes]:
    fs, inner = fsspec_fs(url)
    with remote.plain_errors(), fs.open(inner, "rb", block_size=_BLOCK, cache_type="none") as source:
        while data := source.read(_BLOCK):
            yield data


def write_bytes(path: str, data: bytes) -> None:
    """Write a file, whole or not at all (local: through a temporary name)."""
    fs, inner = fsspec_fs(path)
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
    fs, inner = fsspec_fs(path)
    try:
        if is_url(path):
            fs.pipe_file(inner, data, mode="create")
        else:
            make_dirs(parent(path))
            with open(inner, "xb") as file:
                file.write(data)
    except FileExistsError:
        return False
    except OSError:
        # Servers differ in how they refuse; of two writes at once S3 may refuse both.
        if is_url(path) and fs.exists(inner):
            return False
        raise
    return True


def remove(path: str) -> None:
    """Delete a file, or a folder with all that is in it; nothing happens where there is none."""
    fs, inner = fsspec_fs(path)
    with contextlib.suppress(FileNotFoundError):
        fs.rm(inner, recursive=True)
