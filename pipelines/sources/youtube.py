"""What data sets that were cut out of YouTube have in common: the id in a file's name."""

from __future__ import annotations

import re

from pipelines.sources.base import file_name, file_stem

VIDEO = r"(?P<video>[A-Za-z0-9_-]{11})"
"""A YouTube id, as part of a pattern."""

# Eleven letters can be any word, so that a list or a README beside the media must be told by its ending.
_ENDINGS = (
    *(".mp4", ".m4v", ".mkv", ".webm", ".mov", ".avi", ".mpg", ".mpeg", ".flv", ".3gp", ".ts"),
    *(".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac"),
)


def media_name(uri: str, pattern: re.Pattern[str]) -> re.Match[str] | None:
    """The match of a media file's stem with `pattern`; None for files that are no media by their ending."""
    if not file_name(uri).lower().endswith(_ENDINGS):
        return None
    return pattern.fullmatch(file_stem(uri))
