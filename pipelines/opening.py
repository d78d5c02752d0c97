"""How media files are opened: each by itself, without the files or addresses that it may name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import av

# What FFmpeg would take from other files: playlists, descriptions of streams, and names that stand for several.
REFERRING = frozenset(
    {
        "alias_pix", "brender_pix", "concat", "dash", "hls", "image2", "imf", "lavfi", "mlv", "rtp", "rtsp", "sap",
        "sdp", "vobsub", "webm_dash_manifest",
    }
)  # fmt: skip


def open_media(path: str, **options: str) -> Any:
    """A local file as a PyAV container; raises `av.FFmpegError` or `OSError`.

    What would open others is refused before it does, with an error in the log that `refused` knows.
    """
    alone = {"format_whitelist": _formats(), "protocol_whitelist": "file"}
    return av.open(path, metadata_errors="ignore", options=alone | options)


def best_stream(container: Any, kind: str) -> Any:
    """The stream of a kind (`video`, `audio`) that a player would choose, of those with a decoder; else None.

    Cover pictures are no video.
    """
    streams = [container.streams.best(kind), *getattr(container.streams, kind)]
    return next((stream for stream in streams if stream is not None and _plays(stream)), None)


def _plays(stream: Any) -> bool:
    cover = stream.disposition & av.stream.Disposition.attached_pic
    return stream.codec_context is not None and not cover


def refused(errors: Iterable[tuple[int, str, str]]) -> str | None:
    """Of the errors of `logged` the format for which a file was not opened, if that is why."""
    return next((name for _, name, text in errors if text.startswith("Format not on whitelist")), None)


@cache
def _formats() -> str:
    """The formats of media that are whole in themselves."""
    names = {name for entry in av.formats_available for name in entry.split(",")}
    return ",".join(sorted(names - REFERRING))
