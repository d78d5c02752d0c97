from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.config import IngestConfig
from pipelines.decode import decode_file
from pipelines.filters import require_content
from pipelines.result import BadMedia
from pipelines.schema import Reason, Status

SMALL = {"fps": 8.0, "short_side": 32, "sample_rate": 8000}
INPUTS = {
    "moving": ["-f", "lavfi", "-i", "testsrc=d=3:s=64x48:r=25"],
    "still": ["-f", "lavfi", "-i", "smptebars=d=3:s=64x48:r=25"],
    "tone": ["-f", "lavfi", "-i", "sine=f=440:d=3:r=16000"],
    "silence": ["-f", "lavfi", "-i", "anullsrc=r=16000", "-t", "3"],
    "whisper": ["-f", "lavfi", "-i", "aevalsrc='0.0002*sin(2800*t)':d=3:s=16000"],
}


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory, ffmpeg: Callable) -> Callable[[str], Path]:
    """A file of 3 s that holds what its name says, as `moving+tone`."""
    folder = tmp_path_factory.mktemp("media")

    def get(name: str) -> Path:
        path = folder / f"{name}.mkv"
        if not path.exists():
            inputs = [option for part in name.split("+") for option in INPUTS[part]]
            ffmpeg(*inputs, "-pix_fmt", "yuv420p", "-c:v", "libx264", "-c:a", "flac", path)
        return path

    return get


@pytest.mark.parametrize(
    ("name", "wanted", "reason"),
    [
        ("moving+tone", {"require_video": True, "require_audio": True, "min_file_s": 2.5, "silent_db": -60.0,
                         "still_motion": 0.001}, None),
        ("still+silence", {}, None),  # nothing is filtered unasked
        ("tone", {"require_video": True}, Reason.NO_VIDEO),
        ("moving", {"require_audio": True}, Reason.NO_AUDIO),
        ("moving", {"silent_db": -60.0}, None),  # no sound is not silence
        ("moving+silence", {"silent_db": -60.0}, Reason.SILENT),
        ("moving+whisper", {"silent_db": -60.0}, Reason.SILENT),
        ("moving+whisper", {"silent_db": -90.0}, None),
        ("still+tone", {"still_motion": 0.001}, Reason.STILL_PICTURE),
        ("tone", {"still_motion": 0.001}, None),  # no picture is not a still one
        ("moving+tone", {"min_file_s": 3.5}, Reason.TOO_SHORT),
    ],
)  # fmt: skip
def test_what_is_filtered(
    name: str, wanted: dict[str, Any], reason: Reason | None, media: Callable, as_item: Callable
) -> None:
    result = decode_file(as_item(media(name)), IngestConfig(**SMALL, **wanted))
    assert result.reason == reason
    assert result.status == (Status.OK if reason is None else Status.REJECTED)
    assert bool(result.rows) == (reason is None)
    assert bool(result.message) == (reason is not None)
    assert result.sha256


def row(**values: Any) -> dict[str, Any]:
    return {"duration_s": 10.0, "audio_rms_db": -20.0, "motion": 0.1} | values


def test_one_segment_with_something_in_it_saves_the_file() -> None:
    config = IngestConfig(silent_db=-60.0, still_motion=0.01, min_file_s=15.0)
    require_content([row(audio_rms_db=-90.0, motion=0.0), row()], config)
    require_content([row(audio_rms_db=None), row(motion=None)], config)
    with pytest.raises(BadMedia) as silent:
        require_content([row(audio_rms_db=-90.0), row(audio_rms_db=-61.0)], config)
    assert (silent.value.reason, str(silent.value)) == (Reason.SILENT, "-61.0 dB in its loudest segment")


def test_sound_that_is_never_there_with_the_picture_is_none() -> None:
    with pytest.raises(BadMedia) as error:
        require_content([row(audio_rms_db=None)], IngestConfig(require_audio=True))
    assert error.value.reason == Reason.NO_AUDIO
