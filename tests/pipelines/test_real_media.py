"""Every file of the media samples: as it should be, or with the reason that it should have."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from pipelines.complaints import Suspicious
from pipelines.config import IngestConfig
from pipelines.decode import decode_file
from pipelines.decord_frames import decord_frames
from pipelines.guarded import decode_guarded
from pipelines.pyav_frames import pyav_frames
from pipelines.schema import Reason, Status
from pipelines.streams import read_media

pytestmark = pytest.mark.realdata

CONFIG = IngestConfig(fps=8.0, short_side=32, sample_rate=8000)
OK = (Status.OK, None)
UNREADABLE = (Status.FAILED, Reason.UNREADABLE)
NO_VIDEO = (Status.REJECTED, Reason.NO_VIDEO)

# Status and reason; frames and whether there is sound, of the first segment.
BAD = {
    "androidx_cmaf__multi-segment__audio_init.mp4": (*UNREADABLE, None, None),  # a header without media
    "androidx_dash__webvtt-in-mp4__sample.text.mp4": (*NO_VIDEO, None, None),  # subtitles
    "androidx_mkv__full_blocks.mkv": (*NO_VIDEO, None, None),  # subtitles
    "androidx_mp4__sample_ac3_aac.mp4": (*OK, 0, True),  # sound alone
    "androidx_mp4__sample_fragmented.mp4": (*OK, 8, True),
    "androidx_mp4__sample_malformed_free_box.mp4": (*UNREADABLE, None, None),
    "bt709_full_range.mp4": (*OK, 8, False),
    "h265_10bits.mp4": (*OK, 8, False),
    "nasa_13013.mp4": (*OK, 52, True),
    "video_with_failing_audio.mp4": (*OK, 89, True),
    "zero_bytes_result.webm": (*UNREADABLE, None, None),
}


def test_the_bad_ones_by_name(real_data: Path, as_item: Callable) -> None:
    found = {}
    for path in sorted((real_data / "bad").iterdir()):
        result = decode_guarded(as_item(path), CONFIG)
        first = result.rows[0] if result.rows else None
        found[path.name] = (
            result.status,
            result.reason,
            first and first["n_frames"],
            first and first["audio"] is not None,
        )
        assert bool(result.rows) == (result.status == Status.OK), path.name
    assert found == BAD


@pytest.mark.parametrize(
    ("files", "count", "sound"),
    [
        ("ucf101/videos/*/*.avi", 131, 63),
        ("hmdb51/videos/*/*.avi", 12, 0),
        ("vggsound/videos/*.mp4", 39, 39),
        ("kinetics/*.mp4", 3, 3),
        ("grid/*.mpg", 2, 2),
        ("esc10/*/*.ogg", 40, 40),
    ],
)
def test_the_good_ones(files: str, count: int, sound: int, real_data: Path, as_item: Callable) -> None:
    paths = sorted(real_data.glob(files))
    if files.startswith("esc10"):
        paths = paths[::10]
    results = {path.name: decode_file(as_item(path), CONFIG) for path in paths}
    assert len(results) == count
    assert {name: result for name, result in results.items() if (result.status, result.reason) != OK} == {}
    assert sum(result.rows[0]["audio"] is not None for result in results.values()) == sound
    frames = [row["n_frames"] for result in results.values() for row in result.rows]
    assert all(n > 0 for n in frames) != files.startswith("esc10")


@pytest.mark.parametrize(("files", "least"), [("ucf101/videos/*/*.avi", 33), ("vggsound/videos/*.mp4", 9)])
def test_both_decoders_show_the_same(files: str, least: int, real_data: Path) -> None:
    """decord, of the files that it is trusted with, beside PyAV from end to end: no wrong frame, no shift."""
    size = (64, 48)  # decord2 3.4.0 fails at some widths, 48 and 96 among them
    paths, accepted = sorted(real_data.glob(files))[::4], 0
    for path in paths:
        video = read_media(str(path), 8000).video
        assert video is not None
        instants = video.times[0] + np.arange(0, int(video.duration_s * 8)) / 8
        with suppress(Suspicious), decord_frames(str(path), video, size) as source:
            fast = source.at(instants).astype(int)
            accepted += 1
            with pyav_frames(str(path), video, size) as other:
                slow = other.at(instants).astype(int)
            # They scale differently; a neighbouring frame of these clips mostly differs more.
            assert np.abs(fast - slow).mean(axis=(1, 2, 3)).max() < 12, path.name
    assert accepted >= least
