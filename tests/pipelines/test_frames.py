from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipelines.frames import choose, due, motion, stored_size, usual_interval
from pipelines.sight import FRAME_SOURCES
from pipelines.streams import read_media
from pipelines.video import VideoStream


def stream(width: int, height: int, rotation: int = 0, pixel_aspect: float = 1.0) -> VideoStream:
    return VideoStream(
        np.arange(10) / 25, 0.4, width, height, rotation, pixel_aspect, rate=25.0, spans=[(0.0, 0.4)]
    )


@pytest.mark.parametrize(
    ("video", "size"),
    [
        (stream(320, 240), (170, 128)),
        (stream(240, 320), (128, 170)),
        (stream(1280, 720, rotation=90), (128, 228)),
        (stream(720, 576, pixel_aspect=16 / 15), (170, 128)),
        (stream(64, 48), (64, 48)),  # never enlarged
        (stream(65, 49), (64, 48)),  # even sides
    ],
)
def test_stored_size(video: VideoStream, size: tuple[int, int]) -> None:
    assert stored_size(video, 128) == size


def test_constant_rate_gives_the_nearest_frame() -> None:
    times = 0.5 + np.arange(100) / 25
    grid = 0.5 + np.arange(60) / 16
    nearest = np.abs(times[None] - grid[:, None]).min(axis=1)
    np.testing.assert_allclose(np.abs(times[choose(times, grid)] - grid), nearest, atol=1e-9)


def test_a_variable_rate_gives_the_nearest_frame_too() -> None:
    times = np.cumsum(np.random.default_rng(0).choice([0.02, 0.04, 0.06], 200))
    grid = np.arange(times[0], times[-1], 1 / 16)
    nearest = np.abs(times[None] - grid[:, None]).min(axis=1)
    np.testing.assert_allclose(np.abs(times[choose(times, grid)] - grid), nearest, atol=1e-9)


def test_a_frame_is_due_where_it_is_chosen() -> None:
    """One at a time (PyAV) and all at once (decord): the same frames."""
    times = np.array([0.0, 0.04, 0.1, 0.14, 5.0, 5.04, 5.08])
    for i in range(1, len(times)):
        from_s = due(times[i], times[i - 1], usual_interval(times))
        assert list(choose(times, np.array([from_s - 1e-9, from_s + 1e-9]))) == [i - 1, i]


def test_a_picture_that_stays_on_is_shown_until_the_next_one_is_due() -> None:
    times = np.array([0.0, 0.04, 0.08, 0.12, 5.0, 5.04, 5.08])
    assert list(choose(times, np.array([0.09, 3.0, 4.9, 5.0]))) == [2, 3, 3, 4]


def test_times_outside_the_video_give_its_ends() -> None:
    assert list(choose(np.array([1.0, 2.0]), np.array([-5.0, 99.0]))) == [0, 1]


@pytest.mark.parametrize("source", FRAME_SOURCES)
@pytest.mark.parametrize(
    ("name", "fps", "options"),
    [
        ("h264.mp4", 25, ("-c:v", "libx264", "-bf", 3)),
        ("late.mkv", 30, ("-c:v", "libx264", "-output_ts_offset", 1.5)),
        ("xvid.avi", 25, ("-c:v", "mpeg4", "-q:v", 2)),
        ("slow.mp4", 10, ("-c:v", "libx264")),
        ("fast.mp4", 60, ("-c:v", "libx264", "-g", 12)),
    ],
)
def test_stored_frames_are_the_nearest_ones(
    source: Callable, name: str, fps: int, options: tuple, tmp_path: Path, numbered: Callable,
    read_number: Callable[[np.ndarray], int],
) -> None:  # fmt: skip
    path = str(numbered(tmp_path / name, 120, fps, *options))
    video = read_media(path, 16_000).video
    assert video is not None
    assert video.rate == pytest.approx(fps, rel=1e-3)
    assert len(video.times) == 120
    grid = np.arange(int(120 / fps * 16)) / 16
    with source(path, video, stored_size(video, 128)) as reader:
        frames = np.concatenate([reader.at(video.start_s + part) for part in np.array_split(grid, 3)])
    shown = np.array([read_number(frame) for frame in frames])
    assert np.abs(shown - grid * fps).max() <= 0.5 + 0.05 * (fps > 25)  # mkv rounds to milliseconds


@pytest.mark.parametrize("source", FRAME_SOURCES)
def test_a_reader_goes_without_a_search_for_cycles(
    source: Callable, tmp_path: Path, numbered: Callable
) -> None:
    """It holds a decoder with its pictures: if it waited for the next search, a process would grow by MiB."""
    path = str(numbered(tmp_path / "a.mp4", 50, 25, "-c:v", "libx264"))
    video = read_media(path, 16_000).video
    assert video is not None
    gc.disable()
    try:
        with source(path, video, stored_size(video, 128)) as reader:
            reader.at(video.times[:10])
        gone = weakref.ref(reader)
        del reader
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("source", FRAME_SOURCES)
def test_rotation_is_applied(source: Callable, tmp_path: Path, ffmpeg: Callable) -> None:
    # Left half red: a quarter turn puts it at the top or at the bottom, and decoders must agree.
    upright, turned = tmp_path / "upright.mp4", tmp_path / "turned.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=blue:s=128x64:d=1,drawbox=w=64:color=red:t=fill",
           "-pix_fmt", "yuv420p", upright)  # fmt: skip
    ffmpeg("-display_rotation", 90, "-i", upright, "-c", "copy", turned)
    video = read_media(str(turned), 16_000).video
    assert video is not None
    size = stored_size(video, 64)
    assert size == (64, 128)
    with source(str(turned), video, size) as reader:
        frame = reader.at(np.array([0.0]))[0].astype(int)
    top, bottom = frame[20, 32], frame[108, 32]
    # Metadata of +90 degrees asks the player to turn counter-clockwise: left goes to the bottom.
    assert top[2] > top[0] + 100
    assert bottom[0] > bottom[2] + 100


@pytest.mark.parametrize("source", FRAME_SOURCES)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", ("-pix_fmt", "yuv420p", "-c:v", "libx264")),
        ("a.mp4", ("-pix_fmt", "yuvj420p", "-c:v", "libx264")),
        ("a.mp4", ("-pix_fmt", "yuv444p", "-c:v", "libx264")),
        ("a.mp4", ("-pix_fmt", "yuv420p10le", "-c:v", "libx264")),
        ("a.mkv", ("-pix_fmt", "gbrp", "-c:v", "ffv1")),
    ],
)
def test_colours_are_those_of_the_source(
    source: Callable, name: str, options: tuple, tmp_path: Path, ffmpeg: Callable
) -> None:
    path = str(tmp_path / name)
    colours = "color=0xC83214:s=320x240:d=1,drawbox=w=160:h=240:color=0x1E5AB4:t=fill"
    ffmpeg("-f", "lavfi", "-i", colours, *options, path)
    video = read_media(path, 16_000).video
    assert video is not None
    with source(path, video, stored_size(video, 128)) as reader:
        frame = reader.at(np.array([0.0]))[0].astype(int)
    assert np.abs(frame[64, 40] - (0x1E, 0x5A, 0xB4)).max() <= 6
    assert np.abs(frame[64, 130] - (0xC8, 0x32, 0x14)).max() <= 6


def test_motion_against_a_slow_reference() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 6, 8, 3), dtype=np.uint8)
    grey = frames.astype(np.float64) @ [0.299, 0.587, 0.114] / 255
    assert motion(frames) == pytest.approx(np.abs(np.diff(grey, axis=0)).mean(), rel=1e-5)
    assert motion(frames[:1]) == 0.0
    assert motion(np.repeat(frames[:1], 3, axis=0)) == 0.0
