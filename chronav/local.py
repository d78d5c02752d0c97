"""Files below a local folder, through links to folders, too."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """What is no folder: its path, bytes and modification time (Unix seconds).

    Of a link those of what it leads to; a link to nothing is an empty file. `special`: a pipe, socket or device,
    which to open may mean to wait for ever.
    """

    path: str
    size: int
    mtime: float
    special: bool


def walk(root: str, depth: int | None = None) -> Iterator[Entry]:
    """The visible entries below a folder, at most `depth` levels down, in no order.

    Linked folders are entered, but each folder only once, so that a link to a folder above it does no harm. What is
    found without links keeps that path: linked folders come last, by name. Folders that cannot be read are empty.
    """
    folders, linked = deque([(root, 1)]), deque[tuple[str, int]]()
    seen: set[tuple[int, int]] = set()
    while folders or linked:
        folder, level = folders.popleft() if folders else linked.popleft()
        with suppress(OSError):
            place = os.stat(folder)
            if (place.st_dev, place.st_ino) in seen:
                continue
            seen.add((place.st_dev, place.st_ino))
            for entry in _visible(folder):
                info = _info(entry)
                if not stat.S_ISDIR(info.st_mode):
                    yield _entry(entry.path, info)
                elif depth is None or level < depth:
                    (linked if entry.is_symlink() else folders).append((entry.path, level + 1))


def _visible(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(
            (entry for entry in entries if not entry.name.startswith(".")), key=lambda one: one.name
        )


def _info(entry: os.DirEntry[str]) -> os.stat_result:
    try:
        return entry.stat()
    except OSError:
        return entry.stat(follow_symlinks=False)  # a link to nothing, or to itself


def _entry(path: str, info: os.stat_result) -> Entry:
    broken = stat.S_ISLNK(info.st_mode)
    special = not broken and not stat.S_ISREG(info.st_mode)
    return Entry(path, 0 if broken else info.st_size, info.st_mtime, special)
