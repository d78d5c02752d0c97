"""Files of which only the sound is damaged, or only the pictures: what is whole is kept, and what is not is said."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from pipelines.config import IngestConfig
from pipelines.decode import decode_file
from pipelines.schema import Reason, Status

CONFIG = IngestConfig(fps=8.0, short_side=32, sample_rate=8000)
FORMATS = {"a.mp4": "aac", "a.avi": "libmp3lame", "a.m4a": "aac", "a.flac": "flac"}


def is_alone(name: str) -> bool:
    return name.endswith((".m4a", ".flac"))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, ffmpeg: Callable) -> Callable[[str], Path]:
    """Four seconds of noise that a beat every half second stands out of, with a picture or alone."""
    folder = tmp_path_factory.mktemp("good")

    def get(name: str) -> Path:
        path = folder / name
        if not path.exists():
            sound = "aevalsrc='0.05*random(0)+0.6*lt(mod(t,0.5),0.01)':d=4:s=44100"
            picture = ["-f", "lavfi", "-i", "testsrc=d=4:s=64x48:r=25"]
            streams = [] if is_alone(name) else picture
            ffmpeg(*streams, "-f", "lavfi", "-i", sound, "-pix_fmt", "yuv420p", "-c:a", FORMATS[name], path)
        return path

    return get


def spots(path: Path, kind: str) -> list[tuple[int, int]]:
    """Where in the file each packet of its video or sound lies, and how long it is."""
    with av.open(str(path)) as container:
        stream = container.streams.best(kind)
        return [(packet.pos, packet.size) for packet in container.demux(stream) if packet.size]


def overwritten(path: Path, where: Sequence[tuple[int, int]], name: str = "bad") -> Path:
    rng, data = random.Random(0), bytearray(path.read_bytes())
    for at, size in where:
        data[at : at + size] = rng.randbytes(size)
    bad = path.with_stem(name)
    bad.write_bytes(data)
    return bad


def beats(samples: np.ndarray, rate: int) -> list[float]:
    """When the beats begin, seconds."""
    loud = np.flatnonzero(np.abs(samples) > 0.3) / rate
    return [float(loud[0]), *loud[1:][np.diff(loud) > 0.1].tolist()] if len(loud) else []


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_whole_of_the_sound_is_kept_at_its_time(
    name: str, good: Callable, as_item: Callable, samples: Callable
) -> None:
    path = good(name)
    whole = decode_file(as_item(path), CONFIG)
    assert (whole.status, whole.reason) == (Status.OK, None)
    where = spots(path, "audio")
    bad = overwritten(path, where[len(where) * 2 // 5 : len(where) // 2])  # from 1.6 s to 2.0 s
    result = decode_file(as_item(bad), CONFIG)
    assert (result.status, result.reason) == (Status.OK, Reason.CORRUPT_SOUND)
    assert result.message.startswith("sound: ")
    (before,), (after,) = whole.rows, result.rows
    assert before["frames"] == after["frames"]
    expected, found = beats(*samples(before)), beats(*samples(after))
    kept = [beat for beat in expected if not 1.4 < beat < 2.2]
    assert len(kept) >= 5
    assert [beat for beat in found if not 1.4 < beat < 2.2] == pytest.approx(kept, abs=0.002)


def test_packets_that_are_lost_one_by_one_do_not_shift_the_rest(
    good: Callable, as_item: Callable, samples: Callable
) -> None:
    """A packet of AAC is 23 ms: less than what passes for rounding of time stamps elsewhere."""
    path = good("a.mp4")
    bad = overwritten(path, [spots(path, "audio")[40]])
    expected = beats(*samples(decode_file(as_item(path), CONFIG).rows[0]))
    found = beats(*samples(decode_file(as_item(bad), CONFIG).rows[0]))
    assert found[-4:] == pytest.approx(expected[-4:], abs=0.002)


def test_pictures_whose_sound_is_all_damaged_are_kept_without(good: Callable, as_item: Callable) -> None:
    path = good("a.mp4")
    bad = overwritten(path, spots(path, "audio"))
    result = decode_file(as_item(bad), CONFIG)
    assert (result.status, result.reason) == (Status.OK, Reason.CORRUPT_SOUND)
    assert [(row["n_frames"], row["audio"]) for row in result.rows] == [(32, None)]
    for wanted in ({"require_audio": True}, {"keep_partial": False}):
        refused = decode_file(as_item(bad), CONFIG.model_copy(update=wanted))
        assert (refused.status, refused.reason, refused.rows) == (Status.REJECTED, Reason.CORRUPT_SOUND, [])


def test_sound_whose_pictures_are_all_damaged_is_not_kept_alone(good: Callable, as_item: Callable) -> None:
    path = good("a.mp4")
    result = decode_file(as_item(overwritten(path, spots(path, "video"))), CONFIG)
    assert (result.status, result.reason, result.rows) == (Status.FAILED, Reason.CORRUPT_FRAMES, [])


def test_what_is_wrong_with_both_is_said_the_pictures_first(good: Callable, as_item: Callable) -> None:
    path = good("a.mp4")
    bad = overwritten(path, [*spots(path, "video")[60:70], *spots(path, "audio")[10:20]])
    result = decode_file(as_item(bad), CONFIG)
    assert (result.status, result.reason) == (Status.OK, Reason.CORRUPT_FRAMES)
    assert "; sound: " in result.message


@pytest.mark.parametrize("name", ["a.flac", "a.m4a"])
def test_sound_that_ends_before_what_is_announced(
    name: str, good: Callable, ffmpeg: Callable, as_item: Callable, tmp_path: Path
) -> None:
    path = tmp_path / name
    ffmpeg("-i", good(name), "-c", "copy", *(["-movflags", "faststart"] if name == "a.m4a" else []), path)
    assert decode_file(as_item(path), CONFIG).reason is None
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    result = decode_file(as_item(path), CONFIG)
    assert (result.status, result.reason) == (Status.OK, Reason.TRUNCATED)
    assert "of 4.0 announced seconds" in result.message
    (row,) = result.rows
    assert 1.0 < row["duration_s"] < 3.0
