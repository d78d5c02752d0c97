"""Files that name others are not media; none of those that they name is opened."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.config import IngestConfig
from pipelines.decode import decode_file
from pipelines.schema import Reason, Status

CONFIG = IngestConfig(fps=8.0, short_side=32, sample_rate=8000)
SDP = """v=0
o=- 0 0 IN IP4 127.0.0.1
s=x
c=IN IP4 127.0.0.1
t=0 0
m=video 5004 RTP/AVP 96
a=rtpmap:96 H264/90000
"""


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("list.mp4", "concat", "ffconcat version 1.0\nfile part.ts\n"),
        (
            "list.m3u8",
            "hls",
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.0,\npart.ts\n#EXT-X-ENDLIST\n",
        ),
        ("list.sdp", "sdp", SDP),
    ],
)
@pytest.mark.parametrize("waits", [False, True])  # a pipe that nobody writes to would be waited for
def test_a_file_that_names_others_is_no_media(
    waits: bool, name: str, kind: str, text: str, tmp_path: Path, tiny: Callable, as_item: Callable
) -> None:
    if waits:
        os.mkfifo(tmp_path / "part.ts")
    else:
        tiny(tmp_path / "part.ts", 1.0)
    (tmp_path / name).write_text(text)
    result = decode_file(as_item(tmp_path / name), CONFIG)
    assert (result.status, result.reason) == (Status.FAILED, Reason.UNREADABLE)
    assert result.message == f"no media of its own: {kind}, which names other files"
    assert result.rows == []


def test_a_name_for_many_pictures_is_not_followed(
    tmp_path: Path, ffmpeg: Callable, as_item: Callable
) -> None:
    ffmpeg("-f", "lavfi", "-i", "testsrc=d=1:s=64x48:r=5", tmp_path / "x%03d.jpg")
    shutil.copy(tmp_path / "x001.jpg", tmp_path / "x%03d.jpg")
    result = decode_file(as_item(tmp_path / "x%03d.jpg"), CONFIG)
    assert (result.reason, result.message and "image2" in result.message) == (Reason.UNREADABLE, True)
    one = decode_file(as_item(tmp_path / "x001.jpg"), CONFIG)
    assert one.reason == Reason.STILL_PICTURE, one.message
