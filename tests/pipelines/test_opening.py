"""What is opened and what is not: files that name others are not media, and none of those is opened."""

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


def test_pictures_and_empty_files_are_called_what_they_are(
    tmp_path: Path, ffmpeg: Callable, as_item: Callable
) -> None:
    picture = tmp_path / "holiday.jpg"  # large enough for FFmpeg to take it by its name
    ffmpeg("-f", "lavfi", "-i", "testsrc=d=1:s=640x480:r=1", "-frames:v", 1, picture)
    result = decode_file(as_item(picture), CONFIG)
    assert (result.status, result.reason) == (Status.REJECTED, Reason.STILL_PICTURE), result.message
    (tmp_path / "nothing.mp4").touch()
    result = decode_file(as_item(tmp_path / "nothing.mp4"), CONFIG)
    assert (result.reason, result.message) == (Reason.UNREADABLE, "the file is empty")


@pytest.mark.parametrize("suffix", ["webm", "mkv"])
def test_a_file_that_was_cut_off_is_truncated(
    suffix: str, tmp_path: Path, ffmpeg: Callable, as_item: Callable
) -> None:
    codec = ["-c:v", "libvpx" if suffix == "webm" else "libx264"]
    whole = tmp_path / f"whole.{suffix}"
    ffmpeg("-f", "lavfi", "-i", "testsrc=d=6:s=64x48:r=16", *codec, "-pix_fmt", "yuv420p", "-g", 16, whole)
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    result = decode_file(as_item(cut), CONFIG)
    assert (result.status, result.reason) == (Status.OK, Reason.TRUNCATED), result.message
    assert 2 < sum(row["duration_s"] for row in result.rows) < 5


@pytest.mark.parametrize(("suffix", "codec"), [("h264", "libx264"), ("h265", "libx265")])
def test_a_raw_stream_has_the_times_that_its_codec_tells(
    suffix: str, codec: str, tmp_path: Path, numbered: Callable, as_item: Callable, read_number: Callable,
    pictures: Callable,
) -> None:  # fmt: skip
    kind = "hevc" if suffix == "h265" else suffix
    path = numbered(tmp_path / f"raw.{suffix}", 60, 20, "-c:v", codec, "-f", kind)
    result = decode_file(as_item(path), CONFIG.model_copy(update={"fps": 20.0}))
    assert (result.status, result.reason) == (Status.OK, None), result.message
    [row] = result.rows
    assert row["duration_s"] == pytest.approx(3.0)
    assert [read_number(frame) for frame in pictures(row)] == list(range(60))
