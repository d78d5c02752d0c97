"""Labels are true: read back from the pixels and samples of drawn clips."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import simplejpeg

from chronav.errors import JobError
from pipelines.schema import CLIP_SCHEMA
from trainer.config import SamplingConfig
from trainer.sample import Sample, decode_audio, make_sample
from trainer.speeds import A1, A2, TARGET_PAIRS, V1, V2
from trainer.stored import stored_row
from trainer.windows import Segment, draw_windows

DRAWS = 400


def draw_many(kit: SimpleNamespace, config, draws: int = DRAWS, **row) -> list[Sample]:
    stored = stored_row(pa.Table.from_pylist([kit.row(7, **row)], schema=CLIP_SCHEMA), 0)
    sound = decode_audio(stored, kit.rate)
    made = [make_sample(stored, sound, i, config, kit.rate) for i in range(draws)]
    assert all(m is not None for m in made)
    return [m for m in made if m is not None]


def read_back(kit: SimpleNamespace, sample: Sample, config) -> dict[int, tuple[float, float, int, bool]]:
    """Clip axis -> (span start, span end, stride, backward), from the media alone."""
    found = {}
    for window, axis in enumerate((V1, V2)):
        if len(sample.frames):
            shown = np.array([kit.read_number(frame) for frame in sample.frames[window]])
            found[axis] = measured(shown, kit.fps)
    for window, axis in enumerate((A1, A2)):
        if len(sample.waves[window]):
            found[axis] = measured(sample.waves[window].astype(int), kit.rate)
    return found


def measured(shown: np.ndarray, rate: float) -> tuple[float, float, int, bool]:
    steps = np.unique(np.diff(shown))
    assert len(steps) == 1, "a clip's positions are equally spaced"
    step = abs(int(steps[0]))
    return shown.min() / rate, (shown.max() + step) / rate, step, steps[0] < 0


def order_from(first: tuple, second: tuple) -> int:
    if first[1] <= second[0]:
        return 0
    return 2 if second[1] <= first[0] else 1


@pytest.mark.parametrize("seconds", [10.0, 4.5, 2.25])
def test_spans_speeds_directions_and_order_are_what_the_media_show(kit, seconds):
    config = kit.toy_config()
    classes = set()
    for sample in draw_many(kit, config, seconds=seconds):
        found = read_back(kit, sample, config)
        clip_samples = round(config.audio.clip_s * kit.rate)
        for axis, clip in enumerate(sample.draw.clips):
            start, end, step, backward = found[axis]
            speed = config.sampling.speeds[clip.speed]
            assert backward == clip.backward
            if axis in (V1, V2):
                assert step == speed
            else:  # the wave is cut at full rate; its length says how much it is sped up
                assert step == 1
                assert len(sample.waves[0 if axis == A1 else 1]) == speed * clip_samples
            assert (start, end) == pytest.approx(clip.span)
            assert start >= 0
            assert end <= seconds + 1e-9
        if sample.draw.target >= 0:
            first, second = TARGET_PAIRS[sample.draw.target]
            assert sample.draw.order == order_from(found[first], found[second])
            classes.add((sample.draw.target, sample.draw.order))
    if seconds == 10.0:
        assert len(classes) == 12  # every pair in every order


def test_windows_of_both_modalities_are_centred_on_the_same_instant(kit):
    for sample in draw_many(kit, kit.toy_config(), 200):
        v1, a1, v2, a2 = sample.draw.clips
        for video, audio in ((v1, a1), (v2, a2)):
            assert sum(video.span) / 2 == pytest.approx(sum(audio.span) / 2, abs=1.01 / kit.fps)


@pytest.mark.parametrize(
    ("seconds", "n_frames"), [(10.0, 8), (1.1, 8), (2.1, 16), (3.1, 16), (4.43, 16), (9.1, 16), (10.02, 16)]
)
def test_order_is_a_third_each_also_for_who_knows_the_span_lengths(seconds, n_frames):
    """Whatever the segment's length: rounding to frames must not turn a gap into an overlap."""
    config, rate = SamplingConfig(), 16_000
    segment = Segment(int(seconds * 16), 16.0, rate, 0, int(seconds * rate))
    counts: dict[tuple, np.ndarray] = {}
    right, asked, orders = 0, 0, np.zeros(3)
    for i in range(8_000):
        draw = draw_windows(np.random.default_rng((3, i)), segment, config, n_frames, n_frames * rate // 16)
        assert draw is not None
        key = (draw.target, *(clip.step for clip in draw.clips if clip is not None))
        seen = counts.setdefault(key, np.zeros(3))
        orders[draw.order] += 1
        if i >= 4_000:  # guess the likeliest class of the first half of the draws
            right += int(seen.argmax() == draw.order) if seen.any() else 0
            asked += 1 if seen.any() else 0
        else:
            seen[draw.order] += 1
    assert right / asked == pytest.approx(1 / 3, abs=4 * (2 / 9 / asked) ** 0.5)
    np.testing.assert_allclose(orders / orders.sum(), 1 / 3, atol=4 * (2 / 9 / orders.sum()) ** 0.5)


def test_draws_are_keyed_by_seed_and_index_alone(kit):
    one, other = (draw_many(kit, kit.toy_config(), 20) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        assert a.draw == b.draw
        for one_clip, other_clip in zip(a.frames, b.frames, strict=True):
            np.testing.assert_array_equal(one_clip, other_clip)
        np.testing.assert_array_equal(a.video_params, b.video_params)
    moved = draw_many(kit, kit.toy_config("seed=1"), 20)
    assert [m.draw for m in moved] != [m.draw for m in one]


def test_sound_is_taken_only_where_the_source_had_some(kit):
    limits = {"audio_valid_start_s": 2.5, "audio_valid_end_s": 8.0}
    for sample in draw_many(kit, kit.toy_config(), 200, **limits):
        for axis in (A1, A2):
            start, end = sample.draw.clips[axis].span
            assert start >= 2.5
            assert end <= 8.0


def test_a_segment_without_sound_gives_video_alone_and_no_order_across(kit):
    for sample in draw_many(kit, kit.toy_config(), 50, sound=False):
        assert sample.draw.clips[A1] is None
        assert sample.draw.clips[A2] is None
        assert sample.draw.target == TARGET_PAIRS.index((V1, V2))


def test_a_segment_shorter_than_a_clip_gives_nothing(kit):
    stored = stored_row(pa.Table.from_pylist([kit.row(1, seconds=0.4)], schema=CLIP_SCHEMA), 0)
    config = kit.toy_config()
    assert make_sample(stored, decode_audio(stored, kit.rate), 0, config, kit.rate) is None


def test_repeated_frames_take_a_row_out_of_video_speed(kit):
    assert not draw_many(kit, kit.toy_config(), 1, source_fps=12.5)[0].true_video_speed
    assert draw_many(kit, kit.toy_config(), 1, source_fps=16.0)[0].true_video_speed


def test_another_sample_rate_is_an_error(kit):
    stored = stored_row(pa.Table.from_pylist([kit.row(1)], schema=CLIP_SCHEMA), 0)
    with pytest.raises(JobError, match="3200 Hz"):
        decode_audio(stored, 16_000)


def test_frames_of_unequal_sizes_are_an_error(kit):
    row = kit.row(1)
    row["frames"][1::2] = [simplejpeg.encode_jpeg(kit.number_picture(1, height=16))] * len(
        row["frames"][1::2]
    )
    stored = stored_row(pa.Table.from_pylist([row], schema=CLIP_SCHEMA), 0)
    config = kit.toy_config("sampling.speeds=[1]")
    with pytest.raises(JobError, match="unequal sizes"):
        make_sample(stored, decode_audio(stored, kit.rate), 0, config, kit.rate)
