"""Which pixels and samples reach the network, with a network that only looks at them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import simplejpeg
import soundfile

from evaluation.embedder import ClipRequest, ClipShape, embed_rows
from evaluation.features import plan_clips
from evaluation.items import Segment, Video


@dataclass
class Seen:
    video: np.ndarray | None = None
    audio: np.ndarray | None = None


class Looker:
    """Features are the mean of each frame (video) or the samples themselves (sound)."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def embed(self, video: np.ndarray | None = None, audio: np.ndarray | None = None) -> Seen:
        array = video if video is not None else audio
        assert array is not None
        self.shapes.append(array.shape)
        if video is not None:
            assert video.dtype == np.uint8
            return Seen(video=video.mean(axis=(2, 3, 4)))  # (N, T)
        return Seen(audio=array)


def numbered_frames(n: int, height: int = 16, width: int = 16) -> list[bytes]:
    """Frame t is uniformly grey of value 4 t."""
    return [
        simplejpeg.encode_jpeg(np.full((height, width, 3), 4 * t, np.uint8), quality=95) for t in range(n)
    ]


def test_frames_are_those_asked_for_in_order_and_looped_where_short() -> None:
    rows = pa.table({"frames": [numbered_frames(30), numbered_frames(5)]})
    requests = [ClipRequest(1, 7, 0, 0), ClipRequest(0, 3, 1, 20), ClipRequest(0, 3, 0, 2)]
    found = embed_rows(rows, requests, ClipShape("video", 8, 1, 16_000), {"net": Looker()}, 2)
    assert found.owner.tolist() == [3, 3, 7]
    assert found.clip.tolist() == [1, 0, 0]
    frames = np.rint(found.vectors["net"] / 4).astype(int)
    assert frames.tolist() == [list(range(20, 28)), list(range(2, 10)), [0, 1, 2, 3, 4, 0, 1, 2]]


def test_three_crops_are_left_centre_and_right() -> None:
    frame = np.zeros((16, 40, 3), np.uint8)
    frame[:, :16], frame[:, 12:28], frame[:, 24:] = 40, 120, 200
    rows = pa.table({"frames": [[simplejpeg.encode_jpeg(frame, quality=100)] * 4]})
    found = embed_rows(rows, [ClipRequest(0, 0, 0, 0)], ClipShape("video", 4, 3, 1), {"net": Looker()}, 8)
    left, centre, right = found.vectors["net"].mean(axis=1)
    assert found.owner.tolist() == [0, 0, 0]
    assert left == pytest.approx(40 * 12 / 16 + 120 * 4 / 16, abs=3)
    assert centre == pytest.approx(120 * 12 / 16 + 200 * 4 / 16, abs=3)
    assert right == pytest.approx(200, abs=3)


def test_batches_hold_one_shape_and_no_more_than_asked() -> None:
    rows = pa.table({"frames": [numbered_frames(8), numbered_frames(8, 16, 24)]})
    requests = [ClipRequest(row, row, clip, clip) for row in (0, 1) for clip in range(3)]
    net = Looker()
    embed_rows(rows, requests, ClipShape("video", 4, 1, 1), {"net": net}, 2)
    assert net.shapes == [(2, 4, 16, 16, 3), (1, 4, 16, 16, 3), (2, 4, 16, 24, 3), (1, 4, 16, 24, 3)]


def test_all_networks_see_the_same_clips() -> None:
    rows = pa.table({"frames": [numbered_frames(12)]})
    requests = [ClipRequest(0, 0, clip, clip) for clip in range(5)]
    found = embed_rows(rows, requests, ClipShape("video", 4, 1, 1), {"a": Looker(), "b": Looker()}, 2)
    assert (found.vectors["a"] == found.vectors["b"]).all()


def test_sound_is_cut_by_samples_and_padded_with_silence(kit: SimpleNamespace) -> None:
    flac = kit.flac(np.random.default_rng(0), 440.0, seconds=0.5)  # 8,000 samples
    wave, _ = soundfile.read(io.BytesIO(flac), dtype="float32")
    rows = pa.table({"audio": [flac]})
    requests = [ClipRequest(0, 0, 0, 100), ClipRequest(0, 0, 1, 7_000)]
    found = embed_rows(rows, requests, ClipShape("audio", 2_000, 3, kit.rate), {"net": Looker()}, 4)
    first, last = found.vectors["net"]
    assert (first == wave[100:2_100]).all()
    assert (last[:1_000] == wave[7_000:]).all()
    assert (last[1_000:] == 0).all()
    with pytest.raises(ValueError, match="16000 samples a second, expected 8000"):
        embed_rows(rows, requests, ClipShape("audio", 2_000, 1, 8_000), {"net": Looker()}, 4)


def test_plan_spreads_clips_over_segments_and_counts_the_short() -> None:
    two = Video("a", None, "x", None, {}, (Segment(4, 1, 20, (0.5, 1.0)), Segment(5, 0, 20, None)))
    short = Video("b", None, "x", None, {}, (Segment(4, 2, 5, (0.0, 0.1)),))
    plan = plan_clips([two, short], [0, 1], ClipShape("video", 16, 1, 1_000), 3)
    assert plan.requests == {
        4: [ClipRequest(1, 0, 0, 0), ClipRequest(2, 1, 0, 0)],
        5: [ClipRequest(0, 0, 1, 0), ClipRequest(0, 0, 2, 4)],
    }
    assert (plan.clips, plan.short_clips) == (4, 1)
    sound = plan_clips([two, short], [0, 1], ClipShape("audio", 200, 1, 1_000), 2)
    assert sound.requests == {
        4: [ClipRequest(1, 0, 0, 500), ClipRequest(1, 0, 1, 800), ClipRequest(2, 1, 0, 0)]
    }
    assert sound.short_clips == 1
