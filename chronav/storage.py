"""Paths that may be local or a URL (`s3://`, `gs://`, `file://`), through fsspec and pyarrow.fs.

Where a remote store is at fault, every function raises `OSError`. Both libraries are loaded when a path is first
used: the networks and their config work on a machine that has neither.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chronav import local, remote
from chronav.errors import CallError

if TYPE_CHECKING:
    import pyarrow.fs

_REQUESTS = 32  # to a remote store at a time, each waiting for its answer
_BLOCK = 8 * 2**20  # bytes that a download holds at a time
_LIST_FROM = 100  # files wanted of a remote folder, from which on it is listed as a whole


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
        fs, inner = _fs(path)
        return fs.cat_file(inner, start=0, end=length) + fs.cat_file(inner, start=size - length, end=size)
    with open(path, "rb") as file:
        head = file.read(length)
        file.seek(size - length)
        return head + file.read(length)


def parent(path: str) -> str:
    """The folder that holds `path`."""
    return path.rstrip("/").rpartition("/")[0] if is_url(path) else os.path.dirname(absolute(path))


def _fs(path: str) -> tuple[Any, str]:
    """The fsspec file system for `path`, and the path within it."""
    if is_url(path):
        store = remote.FileSystem(path)
        return store, store.inner
    import fsspec

    return fsspec.core.url_to_fs(absolute(path))


def arrow_fs(path: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """The pyarrow file system for `path`, and the path within it."""
    if is_url(path):
        return remote.arrow_fs(path)
    import pyarrow.fs

    return pyarrow.fs.LocalFileSystem(), absolute(path)


def delta_place(path: str) -> tuple[str, dict[str, str] | None]:
    """What deltalake is to be called with for the table at `path`: where it is, and the storage options.

    Raises `CallError` for a URL with `%`, which deltalake takes apart in two ways within one table.
    """
    if is_url(path):
        if "%" in path:
            raise CallError(f"a table cannot be at a URL with '%': '{path}'", code="bad_path", path=path)
        return remote.delta_url(absolute(path)), remote.delta_options(path)
    return absolute(path), None


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
    fs, inner = _fs(url)
    with remote.plain_errors(), fs.open(inner, "rb", block_size=_BLOCK, cache_type="none") as source:
        while data := source.read(_BLOCK):
            yield data


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
    except OSError:
        # Servers differ in how they refuse; of two writes at once S3 may refuse both.
        if is_url(path) and fs.exists(inner):
            return False
        raise
    return True


def remove(path: str) -> None:
    """Delete a file, or a folder with all that is in it; nothing happens where there is none."""
    fs, inner = _fs(path)
    with contextlib.suppress(FileNotFoundError):
        fs.rm(inner, recursive=True)


def list_files(root: str) -> Iterator[StoredFile]:
    """All files below a folder, sorted by path; hidden files and folders are left out.

    On a local disk linked folders are entered (see `local.walk`), and pipes, sockets and devices are left out.
    """
    if not is_url(root):
        yield from _local_files(absolute(root))
        return
    fs, inner = _fs(root)
    yield from _visible(fs.find(inner, detail=True), inner, root)


def is_pattern(path: str) -> bool:
    """Whether `path` has wildcards: `*`, `?`, `[...]`, and `**` for folders at any depth."""
    return any(mark in path for mark in "*?[")


def pattern_root(pattern: str) -> str:
    """The folder above the first wildcard of a pattern, absolute."""
    return _fixed(absolute(pattern)) or "/"


def list_matches(pattern: str) -> Iterator[StoredFile]:
    """The files that match a pattern, sorted by path; hidden ones below its fixed part are left out.

    Links and what is no file are treated as by `list_files`. Raises `ValueError` where `**` is only part of a name.
    """
    if not is_url(pattern):
        matches, root = matcher(pattern), pattern_root(pattern)
        depth = None if "**" in pattern else absolute(pattern).removeprefix(root).strip("/").count("/") + 1
        yield from (file for file in _local_files(root, depth) if matches(file.uri))
        return
    fs, inner = _fs(pattern)
    found = {path: info for path, info in fs.glob(inner, detail=True).items() if info["type"] == "file"}
    yield from _visible(found, _fixed(inner), pattern)


def matcher(pattern: str) -> Callable[[str], bool]:
    """Tells whether an absolute path or URL is of those that a pattern stands for."""
    from fsspec.utils import glob_translate

    regex = re.compile(glob_translate(absolute(pattern)))
    return lambda path: regex.match(path) is not None


def stat_files(paths: Sequence[str]) -> list[StoredFile | None]:
    """Each of the absolute paths or URLs as a listing shows it, in their order; None where no file is."""
    folders = Counter(parent(path) for path in paths if is_url(path))
    listed = {folder: _list_folder(folder) for folder, count in folders.items() if count >= _LIST_FROM}
    stores = {_protocol(path): _fs(path)[0] for path in paths}

    def look(path: str) -> StoredFile | None:
        if is_url(path) and parent(path) in listed:
            return listed[parent(path)].get(path)
        try:
            info = stores[_protocol(path)].info(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return _stored(path, info) if info["type"] == "file" else None

    if not folders:
        return [look(path) for path in paths]
    with ThreadPoolExecutor(_REQUESTS) as pool:
        return list(pool.map(look, paths))


def _list_folder(folder: str) -> dict[str, StoredFile]:
    """The files in a remote folder by their URL; a store answers for about a thousand of them at once."""
    fs, inner = _fs(folder)
    try:
        found = fs.ls(inner, detail=True)
    except FileNotFoundError:
        return {}
    files = [info for info in found if info["type"] == "file" and not _is_marker(info["name"])]
    urls = [join(folder, info["name"].rpartition("/")[2]) for info in files]
    return {url: _stored(url, info) for url, info in zip(urls, files, strict=True)}


def _local_files(root: str, depth: int | None = None) -> list[StoredFile]:
    """The files below a local folder, sorted by path."""
    entries = sorted(local.walk(root, depth), key=lambda entry: entry.path)
    special = [entry.path for entry in entries if entry.special]
    if special:
        from chronav.progress import say  # takes longer to load than most calls of this module

        say(f"left out as pipe, socket or device: {len(special)}, the first of them {special[0]!a}")
    return [StoredFile(entry.path, entry.size, entry.mtime) for entry in entries if not entry.special]


def _visible(found: Mapping[str, dict], root: str, path: str) -> Iterator[StoredFile]:
    """What was found below `root` for the local path or URL `path`: sorted, without what is hidden."""
    prefix, protocol = root.rstrip("/") + "/", _protocol(path)
    for name in sorted(found):
        hidden = any(part.startswith(".") for part in name.removeprefix(prefix).split("/"))
        if not hidden and not _is_marker(name):
            yield _stored(protocol + name, found[name])


def _is_marker(name: str) -> bool:
    """Whether an object only stands for a folder, as consoles make them."""
    return name.endswith("/")


def _protocol(path: str) -> str:
    """`s3://` of `s3://bucket/x`; nothing for a local path."""
    return path.split("://")[0] + "://" if is_url(path) else ""


def _fixed(pattern: str) -> str:
    return "/".join(itertools.takewhile(lambda part: not is_pattern(part), pattern.split("/")))


def _stored(uri: str, info: dict) -> StoredFile:
    return StoredFile(uri, int(info["size"] or 0), _modified(info))


def _modified(info: dict) -> float:
    for key in ("mtime", "LastModified", "updated", "last_modified"):
        value = info.get(key)
        if value is not None:
            seconds = float(value.timestamp()) if hasattr(value, "timestamp") else float(value)
            # Of S3 servers some list fractions of a second that they do not tell of one file.
            return float(math.floor(seconds)) if key == "LastModified" else seconds
    return 0.0
