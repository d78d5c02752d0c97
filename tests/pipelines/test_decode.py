from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipelines.config import IngestConfig
from pipelines.decode import decode_file
from pipelines.schema import CLIP_SCHEMA, Reason, Status

FLASH_S = 3.0
BEEP = f"aevalsrc='if(between(t,{FLASH_S},{FLASH_S}+0.2),0.8*sin(2*PI*1000*t),0)':s=44100:d=6"
FLASH = (
    f"color=black:s=64x64:r=25:d=6,drawbox=color=white:t=fill:enable='between(t,{FLASH_S},{FLASH_S}+0.19)'"
)


@pytest.mark.parametrize("container", ["mp4", "mkv", "mov", "ts"])
@pytest.mark.parametrize("late", [0.0, 0.7, -0.5])
@pytest.mark.parametrize("segment_s", [10.0, 2.0])
def test_flash_and_beep_keep_their_distance(
    container: str, late: float, segment_s: float, tmp_path: Path, ffmpeg: Callable,
    as_item: Callable, pictures: Callable, samples: Callable,
) -> None:  # fmt: skip
    """`late`: by how many seconds the sound starts after the picture."""
    path = tmp_path / f"flash.{container}"
    ffmpeg("-itsoffset", max(-late, 0), "-f", "lavfi", "-i", FLASH, "-itsoffset", max(late, 0), "-f", "lavfi",
           "-i", BEEP, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", path)  # fmt: skip
    result = decode_file(as_item(path), IngestConfig(segment_s=segment_s, min_s=0.5))
    assert result.status == Status.OK
    assert len(result.rows) == (1 if segment_s == 10.0 else 3)

    flash, beep, heard = [], [], []
    for row in result.rows:
        lit = np.flatnonzero(pictures(row).mean((1, 2, 3)) > 127)
        flash += list(row["start_s"] + lit / row["fps"])
        if row["audio"] is not None:
            sound, rate = samples(row)
            assert len(sound) == round(row["duration_s"] * rate)
            beep += list(row["start_s"] + np.flatnonzero(np.abs(sound) > 0.2) / rate)
            heard.append((row["start_s"] + row["audio_valid_start_s"]) - result.rows[0]["start_s"])
    half_frame = 0.5 / 16
    assert beep[0] - flash[0] == pytest.approx(late, abs=half_frame)
    assert heard[0] == pytest.approx(max(late, 0.0), abs=0.03)


def test_columns_of_a_file_with_video_and_sound(
    tmp_path: Path, tiny: Callable, as_item: Callable, pictures: Callable
) -> None:
    path = tiny(tmp_path / "a.mp4", 3.0)
    result = decode_file(as_item(path), IngestConfig(fps=10.0, short_side=32, sample_rate=8000))
    (row,) = result.rows
    assert (row["clip_id"], row["video_id"], row["n_frames"]) == ("a:0", "a", 30)
    assert (row["height"], row["width"], row["fps"], row["source_fps"]) == (32, 42, 10.0, 25.0)
    assert pictures(row).shape == (30, 32, 42, 3)
    assert row["duration_s"] == pytest.approx(3.0)
    assert row["audio_rms_db"] == pytest.approx(-21.1, abs=0.2)  # ffmpeg's sine has an amplitude of 1/8
    assert 0.001 < row["motion"] < 0.1
    assert result.sha256 == row["source_sha256"]
    assert set(CLIP_SCHEMA.names) - set(row) == {"batch_id", "ingested_at", "near_duplicate_of"}


def test_video_without_sound(tmp_path: Path, tiny: Callable, as_item: Callable) -> None:
    (row,) = decode_file(as_item(tiny(tmp_path / "a.mp4", tone=None)), IngestConfig()).rows
    assert row["n_frames"] == 32
    assert row["audio"] is row["audio_valid_start_s"] is row["audio_rms_db"] is None


def test_sound_alone(tmp_path: Path, ffmpeg: Callable, as_item: Callable, samples: Callable) -> None:
    path = tmp_path / "a.wav"
    ffmpeg("-f", "lavfi", "-i", "sine=f=500:d=5:r=44100", path)
    (row,) = decode_file(as_item(path), IngestConfig()).rows
    assert (row["n_frames"], row["frames"], row["motion"], row["source_fps"]) == (0, [], None, None)
    assert (row["audio_valid_start_s"], row["audio_valid_end_s"]) == (0.0, 5.0)
    sound, rate = samples(row)
    assert len(sound) == 5 * rate
    spectrum = np.abs(np.fft.rfft(sound))
    assert spectrum.argmax() / 5 == pytest.approx(500, abs=0.5)


def test_a_gap_in_the_sound_stays_a_gap(
    tmp_path: Path, ffmpeg: Callable, as_item: Callable, samples: Callable
) -> None:
    path = tmp_path / "gap.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc=d=4:s=64x48:r=25", "-f", "lavfi", "-i", "sine=f=500:d=4:r=16000",
           "-c:a", "pcm_s16le", "-af", "aselect='not(between(t,1,2))'", path)  # fmt: skip
    (row,) = decode_file(as_item(path), IngestConfig()).rows
    sound, rate = samples(row)
    level = np.abs(sound).reshape(-1, rate // 10).max(axis=1) > 0.05  # tenths of a second
    assert level[:9].all()
    assert not level[12:19].any()
    assert level[21:].all()


@pytest.mark.parametrize(
    ("name", "content", "status", "reason"),
    [
        ("zero.mp4", b"", Status.FAILED, Reason.UNREADABLE),
        ("garbage.mp4", bytes(np.random.default_rng(0).integers(0, 256, 20_000, dtype=np.uint8)),
         Status.FAILED, Reason.UNREADABLE),
        ("notes.txt", b"hello\nworld\n", Status.FAILED, Reason.UNREADABLE),
        ("notes.nfo", b"hello\nworld\n", Status.FAILED, Reason.UNREADABLE),
        ("talk.srt", b"1\n00:00:01,000 --> 00:00:02,000\nHi\n", Status.REJECTED, Reason.NO_VIDEO),
    ],
)  # fmt: skip
def test_what_is_no_media_has_a_reason(
    name: str, content: bytes, status: Status, reason: Reason, tmp_path: Path, as_item: Callable
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    result = decode_file(as_item(path), IngestConfig())
    assert (result.status, result.reason, result.rows) == (status, reason, [])
    assert result.message
    assert str(tmp_path) not in result.message


def test_a_missing_file_has_a_reason(tmp_path: Path, tiny: Callable, as_item: Callable) -> None:
    path = tiny(tmp_path / "a.mp4")
    item = as_item(path)
    path.unlink()
    result = decode_file(item, IngestConfig())
    assert (result.status, result.reason) == (Status.FAILED, Reason.UNREACHABLE)
    assert result.message == "cannot be fetched: no such file"


def test_truncated_files(tmp_path: Path, tiny: Callable, as_item: Callable) -> None:
    whole = tiny(tmp_path / "whole.mp4", 4.0)
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert decode_file(as_item(tmp_path / "cut.mp4"), IngestConfig()).reason == Reason.UNREADABLE

    # With the index in front what is left is kept, and the ledger says that it is not all.
    fast = tiny(tmp_path / "fast.mp4", 4.0, 440, "-movflags", "+faststart")
    (tmp_path / "half.mp4").write_bytes(fast.read_bytes()[: fast.stat().st_size // 2])
    result = decode_file(as_item(tmp_path / "half.mp4"), IngestConfig())
    assert (result.status, result.reason) == (Status.OK, Reason.TRUNCATED)
    assert 0.5 < result.rows[0]["duration_s"] < 3.5


def test_encrypted_still_and_short(
    tmp_path: Path, tiny: Callable, ffmpeg: Callable, as_item: Callable
) -> None:
    plain, locked = tiny(tmp_path / "plain.mp4"), tmp_path / "locked.mp4"
    ffmpeg("-i", plain, "-c", "copy", "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "76" * 16,
           "-encryption_kid", "a7" * 16, locked)  # fmt: skip
    ffmpeg("-i", plain, "-frames:v", 1, tmp_path / "still.png")
    tiny(tmp_path / "short.mp4", 0.08)
    reasons = {
        name: decode_file(as_item(tmp_path / name), IngestConfig()).reason
        for name in ("locked.mp4", "still.png", "short.mp4")
    }
    assert reasons == {
        "locked.mp4": Reason.ENCRYPTED,
        "still.png": Reason.STILL_PICTURE,
        "short.mp4": Reason.TOO_SHORT,
    }


def test_a_cover_picture_is_no_video(
    tmp_path: Path, ffmpeg: Callable, tiny: Callable, as_item: Callable
) -> None:
    cover = tmp_path / "cover.png"
    ffmpeg("-i", tiny(tmp_path / "plain.mp4"), "-frames:v", 1, cover)
    song = tmp_path / "song.mp3"
    ffmpeg("-f", "lavfi", "-i", "sine=d=3", "-i", cover, "-map", 0, "-map", 1, "-c:v", "copy",
           "-disposition:v", "attached_pic", song)  # fmt: skip
    (row,) = decode_file(as_item(song), IngestConfig()).rows
    assert row["n_frames"] == 0
    assert row["audio"] is not None


def test_known_content_is_not_decoded(tmp_path: Path, tiny: Callable, as_item: Callable) -> None:
    item = as_item(tiny(tmp_path / "a.mp4"))
    first = decode_file(item, IngestConfig())
    second = decode_file(item, IngestConfig(), known_sha256=first.sha256)
    assert second.unchanged
    assert not second.rows
