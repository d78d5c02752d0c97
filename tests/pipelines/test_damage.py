"""Files made corrupt on purpose: no frame is kept that shows anything else than the undamaged original does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipelines.complaints import Suspicious
from pipelines.config import IngestConfig
from pipelines.decode import decode_file
from pipelines.decord_cpu import decord
from pipelines.decord_frames import decord_frames
from pipelines.result import FileResult
from pipelines.schema import Reason, Status
from pipelines.streams import read_media

FPS = 25
CONFIG = IngestConfig(fps=12.5, short_side=64, sample_rate=8000, min_s=0.5)
H264 = ("-c:v", "libx264", "-g", 25, "-bf", 2)
FORMATS = {
    "a.mp4": H264,
    "a.mkv": H264,
    "a.ts": H264,
    "a.avi": ("-c:v", "mpeg4", "-q:v", 3, "-g", 25),
    "a.mpg": ("-c:v", "mpeg1video", "-q:v", 3, "-g", 25),
    "h265.mp4": ("-c:v", "libx265", "-g", 25, "-x265-params", "log-level=none"),
    "hashed.mp4": ("-c:v", "libx265", "-g", 25, "-x265-params", "log-level=none:hash=1"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-cpu-used", 8, "-g", 25),
}


@pytest.fixture(scope="module")
def busy(ffmpeg: Callable) -> Callable[..., Path]:
    """Makes a video whose frame n shows n in its middle, as `numbered` does, amid a texture that moves."""

    def make(path: Path, count: int, *options: object) -> Path:
        bits = (np.arange(count)[:, None] >> np.arange(8)) & 1  # (count, 8)
        rows = np.repeat(bits.astype(np.uint8) * 255, 16, axis=1)  # (count, 128)
        texture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        frames = np.stack(
            [np.roll(texture, (n, 2 * n), (0, 1)) for n in range(count)]
        )  # (count, 128, 128, 3)
        frames[:, 48:80] = rows[:, None, :, None]
        source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "128x128", "-r", FPS, "-i", "-"]
        ffmpeg(*source, *options, "-pix_fmt", "yuv420p", path, frames=frames)
        return path

    return make


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, busy: Callable) -> Callable[[str], Path]:
    """A good file of 200 numbered frames, 8 s, with a key frame every second."""
    folder = tmp_path_factory.mktemp("good")

    def get(name: str) -> Path:
        path = folder / name
        return path if path.exists() else busy(path, 200, *FORMATS[name])

    return get


@pytest.fixture
def check(as_item: Callable, pictures: Callable, read_number: Callable) -> Callable[..., FileResult]:
    """Decodes a file and asserts that every kept frame is that of its instant, `start_s` before the first."""

    def decode(path: Path, start_s: float = 0.0, config: IngestConfig = CONFIG) -> FileResult:
        result = decode_file(as_item(path), config)
        for row in result.rows:
            shown = [read_number(frame) for frame in pictures(row)]
            due = (row["start_s"] - start_s + np.arange(row["n_frames"]) / row["fps"]) * FPS
            assert np.abs(shown - due).max() <= 1.0, row["clip_id"]
        return result

    return decode


def packets(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


def overwrite(path: Path, good: Path, near: int, data: Callable[[int], bytes]) -> Path:
    """A copy in which most of the largest packet near number `near` is overwritten: one that others need."""
    packet = max(packets(good)[max(near - 4, 0) : near + 4], key=lambda packet: packet.size)
    content = bytearray(good.read_bytes())
    coded = bytes(packet)
    at = content.find(coded)
    assert at > 0
    first, last = at + len(coded) // 8, at + len(coded)
    content[first:last] = data(last - first)
    path.write_bytes(content)
    return path


def noise(length: int) -> bytes:
    return np.random.default_rng(1).bytes(length)


@pytest.mark.parametrize("name", FORMATS)
def test_a_good_file_is_not_suspected(name: str, original: Callable, check: Callable) -> None:
    path = original(name)
    start_s = read_media(str(path), 8000).video.start_s
    result = check(path, start_s)
    assert (result.status, result.reason, result.message) == (Status.OK, None, None)
    assert sum(row["n_frames"] for row in result.rows) == 100


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "vp9.webm"])
@pytest.mark.parametrize("data", [noise, bytes], ids=["noise", "hole"])
def test_the_whole_parts_around_a_damaged_packet_are_kept(
    name: str, data: Callable, tmp_path: Path, original: Callable, check: Callable
) -> None:
    result = check(overwrite(tmp_path / name, original(name), 60, data))
    assert (result.status, result.reason) == (Status.OK, Reason.CORRUPT_FRAMES)
    first, second = result.rows
    assert first["start_s"] == 0.0
    assert 2.0 < first["duration_s"] < 2.6
    assert second["start_s"] == pytest.approx(3.0, abs=0.05)  # the next key frame
    assert second["duration_s"] == pytest.approx(5.0, abs=0.1)
    assert [row["clip_id"][-2:] for row in result.rows] == [":0", ":1"]


def test_hashes_of_pictures_are_checked_where_a_file_has_them(
    tmp_path: Path, original: Callable, check: Callable
) -> None:
    """FFmpeg's decoder of H.265 says nothing of such damage without them."""
    good = original("hashed.mp4")
    bad = tmp_path / "bad.mp4"
    packet = max(packets(good)[56:64], key=lambda packet: packet.size)
    content = bytearray(good.read_bytes())
    content[content.find(bytes(packet)) + packet.size // 2] ^= 0x10
    bad.write_bytes(content)
    result = check(bad)
    assert (result.status, result.reason) == (Status.OK, Reason.CORRUPT_FRAMES)
    assert "checksum" in result.message
    first, second = result.rows
    assert 2.0 < first["duration_s"] < 2.6
    assert 3.0 <= second["start_s"] < 4.1


def test_where_frames_are_counted_only_what_is_before_the_damage_is_kept(
    tmp_path: Path, original: Callable, check: Callable
) -> None:
    result = check(overwrite(tmp_path / "b.avi", original("a.avi"), 90, noise))
    assert (result.status, result.reason) == (Status.OK, Reason.CORRUPT_FRAMES)
    (row,) = result.rows
    assert 3.0 < row["duration_s"] < 3.6


def test_damaged_files_are_rejected_when_only_whole_ones_are_wanted(
    tmp_path: Path, original: Callable, check: Callable
) -> None:
    strict = CONFIG.model_copy(update={"keep_partial": False})
    fast = tmp_path / "cut.mp4"
    assert check(original("a.mp4"), config=strict).status == Status.OK
    result = check(overwrite(fast, original("a.mp4"), 60, noise), config=strict)
    assert (result.status, result.reason, result.rows) == (Status.REJECTED, Reason.CORRUPT_FRAMES, [])
    assert result.message


def test_decord_alone_says_nothing_and_is_not_believed(
    tmp_path: Path, original: Callable, read_number: Callable
) -> None:
    path = str(overwrite(tmp_path / "bad.mp4", original("a.mp4"), 60, noise))
    reader = decord.VideoReader(path, num_threads=1, fault_tol=1e-9)
    shown = [read_number(frame) for frame in reader.get_batch(range(200)).asnumpy()]
    assert shown != list(range(200))  # should decord ever fail here, it has become safer
    video = read_media(path, 8000).video
    with pytest.raises(Suspicious), decord_frames(path, video, (128, 128)) as source:
        source.at(video.times)


def test_nothing_is_left_of_a_file_whose_first_frame_is_damaged(
    tmp_path: Path, busy: Callable, check: Callable
) -> None:
    good = busy(tmp_path / "good.mp4", 100, "-c:v", "libx264", "-g", 250)
    result = check(overwrite(tmp_path / "bad.mp4", good, 0, noise))
    assert (result.status, result.reason, result.rows) == (Status.FAILED, Reason.CORRUPT_FRAMES, [])


def test_a_frame_missing_from_an_avi(tmp_path: Path, original: Callable, as_item: Callable) -> None:
    """Those after it come one earlier than they should, and no decoder can know which: they are marked."""
    good = original("a.avi")
    packet = packets(good)[100]
    content = good.read_bytes()
    at = content.find(bytes(packet))
    size = packet.size + packet.size % 2
    (tmp_path / "b.avi").write_bytes(content[: at - 8] + content[at + size :])  # 8: the chunk's name and size
    result = decode_file(as_item(tmp_path / "b.avi"), CONFIG)
    assert (result.status, result.reason) == (Status.OK, Reason.TRUNCATED)
    assert result.message == "199 of 200 announced frames are there"


def test_a_frame_that_an_avi_lists_and_does_not_have(
    tmp_path: Path, original: Callable, check: Callable
) -> None:
    """Times are counted, so that only what is before it is right."""
    good = original("a.avi")
    content = bytearray(good.read_bytes())
    at = content.find(bytes(packets(good)[100])) - 8
    assert content[at : at + 4] == b"00dc"
    content[at : at + 4] = b"JUNK"  # what players skip
    (tmp_path / "b.avi").write_bytes(content)
    result = check(tmp_path / "b.avi")
    assert (result.status, result.reason) == (Status.OK, Reason.CORRUPT_FRAMES)
    assert result.message == "frame 100 is lost"
    assert sum(row["duration_s"] for row in result.rows) == pytest.approx(4.0, abs=0.1)


def test_bytes_missing_from_a_matroska_file(tmp_path: Path, original: Callable, check: Callable) -> None:
    content = original("a.mkv").read_bytes()
    middle = len(content) // 2
    (tmp_path / "b.mkv").write_bytes(content[:middle] + content[middle + 5000 :])
    result = check(tmp_path / "b.mkv")
    assert (result.status, result.reason) == (Status.OK, Reason.CORRUPT_FRAMES)
    assert 2.0 < sum(row["duration_s"] for row in result.rows) < 7.5


def test_a_recording_that_begins_between_key_frames(
    tmp_path: Path, original: Callable, check: Callable
) -> None:
    """What is shown before the first key frame lacks what it is made from."""
    good = original("a.ts")
    content, start_s = good.read_bytes(), read_media(str(good), 8000).video.start_s
    head, late = 3 * 188, packets(good)[10].pos  # the tables, and the eleventh frame
    path = tmp_path / "late.ts"
    path.write_bytes(content[:head] + content[late:])
    result = check(path, start_s)
    assert (result.status, result.reason) == (Status.OK, Reason.CORRUPT_FRAMES)
    (row,) = result.rows
    assert row["start_s"] - start_s == pytest.approx(1.0, abs=0.05)


def test_more_frames_than_are_announced(tmp_path: Path, original: Callable, as_item: Callable) -> None:
    content = bytearray(original("a.avi").read_bytes())
    for header, offset in ((b"avih", 24), (b"strh", 40)):
        at = content.find(header) + offset
        assert int.from_bytes(content[at : at + 4], "little") == 200
        content[at : at + 4] = (100).to_bytes(4, "little")
    (tmp_path / "b.avi").write_bytes(content)
    result = decode_file(as_item(tmp_path / "b.avi"), CONFIG)
    assert (result.status, result.reason) == (Status.OK, Reason.CORRUPT_FRAMES)
    assert result.message == "200 frames where 100 are announced"


def test_time_stamps_that_jump_ahead(
    tmp_path: Path, busy: Callable, as_item: Callable, pictures: Callable, read_number: Callable
) -> None:
    """As from a camera that was set to another time: 2 s, then more than a day later another 2 s."""
    parts = [busy(tmp_path / f"{late}.ts", 50, *H264, "-output_ts_offset", late) for late in (0, 90_000)]
    path = tmp_path / "jump.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    result = decode_file(as_item(path), CONFIG)
    assert (result.status, result.reason) == (Status.OK, Reason.CORRUPT_FRAMES)
    for row in result.rows:
        shown = [read_number(frame) for frame in pictures(row)]
        assert np.abs(shown - np.arange(row["n_frames"]) * 2).max() <= 1
    assert [row["duration_s"] for row in result.rows] == pytest.approx([2.0, 2.0], abs=0.2)


def test_time_stamps_that_turn_back(tmp_path: Path, original: Callable, check: Callable) -> None:
    """Two recordings joined as they are: the second would lie over the first."""
    good = original("a.ts")
    path = tmp_path / "twice.ts"
    path.write_bytes(good.read_bytes() * 2)
    result = check(path, read_media(str(good), 8000).video.start_s)
    assert (result.status, result.reason) == (Status.OK, Reason.CORRUPT_FRAMES)
    assert sum(row["duration_s"] for row in result.rows) == pytest.approx(8.0, abs=0.2)  # the seam is lost


def test_a_picture_that_stays_on_is_no_jump(tmp_path: Path, busy: Callable, check: Callable) -> None:
    late = "setpts='PTS+if(gte(N,50),30/TB,0)'"
    path = busy(tmp_path / "a.mp4", 100, "-vf", late, "-fps_mode", "passthrough", *H264)
    config = CONFIG.model_copy(update={"segment_s": 60.0})
    video = read_media(str(path), 8000).video
    assert video.spans == [(0.0, pytest.approx(34.0, abs=0.1))]
    assert decode_segments(path, config) == [pytest.approx(34.0, abs=0.1)]


def decode_segments(path: Path, config: IngestConfig) -> list[float]:
    from pipelines.sources.base import SourceItem

    result = decode_file(SourceItem(str(path), 0, 0.0, "x", "folder"), config)
    assert (result.status, result.reason) == (Status.OK, None)
    return [row["duration_s"] for row in result.rows]


def with_tone(ffmpeg: Callable, path: Path, tone: int, *options: object) -> Path:
    ffmpeg("-f", "lavfi", "-i", "testsrc=d=3:s=64x48:r=25", "-f", "lavfi", "-i", f"sine=f={tone}:d=3:r=16000",
           "-pix_fmt", "yuv420p", *options, path)  # fmt: skip
    return path


def loudest(samples: np.ndarray, rate: int) -> float:
    return float(np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples))


def test_sound_whose_time_stamps_jump_is_not_drawn_out(
    tmp_path: Path, ffmpeg: Callable, as_item: Callable, samples: Callable
) -> None:
    """A day of silence would be 5 GB."""
    parts = [
        with_tone(ffmpeg, tmp_path / f"{late}.ts", 500, "-output_ts_offset", late) for late in (0, 90_000)
    ]
    path = tmp_path / "jump.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    result = decode_file(as_item(path), CONFIG)
    assert "sound: the time stamps jump" in result.message
    first, second = result.rows
    assert (first["audio"] is None, second["audio"] is None) == (False, True)
    assert loudest(*samples(first)) == pytest.approx(500, abs=1)


def test_a_second_sound_is_not_laid_over_the_first(
    tmp_path: Path, ffmpeg: Callable, as_item: Callable, samples: Callable
) -> None:
    parts = [with_tone(ffmpeg, tmp_path / f"{tone}.ts", tone) for tone in (500, 900)]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    result = decode_file(as_item(path), CONFIG)
    assert "sound: the time stamps turn back" in result.message
    (row,) = result.rows
    assert loudest(*samples(row)) == pytest.approx(500, abs=1)
