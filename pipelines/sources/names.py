"""File names that are no text: Linux allows any bytes, a table only Unicode."""

from __future__ import annotations

import os
import re

from chronav import storage

_BYTE = re.compile(r"\\x([89a-f][0-9a-f])")


def escaped(path: str) -> str:
    r"""A path as Python has it, with each byte that is not UTF-8 written out: `caf\xe9.mp4`; others as they are."""
    if path.isascii():
        return path
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def real_path(uri: str) -> str:
    """The local path that a uri of a listing stands for; a file that really has such a name goes first."""
    if "\\x" not in uri or storage.is_url(uri) or os.path.lexists(uri):
        return uri
    return _BYTE.sub(lambda byte: chr(0xDC00 + int(byte[1], 16)), uri)
