"""What decoders say of a file without failing: FFmpeg's libraries conceal damage, and tell only their log."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av
import av.logging

_LIBAV = re.compile(r"^\[(?!sws|Parsed_|in @)[\w,]+ @ 0x[0-9a-f]+\] (.+)")  # without scalers and filters
_HARMLESS = ("Video uses a non-standard and wasteful way to store B-frames",)


class Suspicious(Exception):
    """What was read may be wrong: the decoder complained, or it cannot be trusted with this file."""


@contextmanager
def printed() -> Iterator[list[str]]:
    """The lines that FFmpeg's libraries print to standard error within; the list is filled at the end.

    For decord, whose libraries can be heard in no other way. Standard error is the whole process's: use it where
    no other thread writes.
    """
    lines: list[str] = []
    with tempfile.TemporaryFile() as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(before, 2)
            os.close(before)
            file.seek(0)
            text = file.read().decode(errors="replace")
            said = [found[1] for line in text.splitlines() if (found := _LIBAV.match(line))]
            lines += [line for line in said if not line.startswith(_HARMLESS)]


@contextmanager
def logged() -> Iterator[list[Any]]:
    """The errors that PyAV's libraries log within, in this thread: a list that grows; each ends with its text."""
    level, skip = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture() as errors:
            yield errors
    finally:
        av.logging.set_skip_repeated(skip)
        av.logging.set_level(level)
