"""Which files there are: listings, patterns and files by name, local or at a URL."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chronav import local
from chronav.storage import absolute, fsspec_fs, is_url, join, parent

_REQUESTS = 32  # to a remote store at a time, each waiting for its answer
_LIST_FROM = 100  # files wanted of a remote folder, from which on it is listed as a whole


@dataclass(frozen=True)
class StoredFile:
    """One file as a listing shows it: absolute path or URL, bytes, modification time (Unix seconds)."""

    uri: str
    size: int
    mtime: float


def list_files(root: str) -> Iterator[StoredFile]:
    """All files below a folder, sorted by path; hidden files and folders are left out.

    On a local disk linked folders are entered (see `local.walk`), and pipes, sockets and devices are left out.
    """
    if not is_url(root):
        yield from _local_files(absolute(root))
        return
    fs, inner = fsspec_fs(root)
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
    fs, inner = fsspec_fs(pattern)
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
    stores = {_protocol(path): fsspec_fs(path)[0] for path in paths}

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
    fs, inner = fsspec_fs(folder)
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
