from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from pipelines.audio import SILENCE_DB, AlignedSound, Sound, align, encode_flac, rms_db
from pipelines.segments import Segment

RATE = 1000


def counting(start_s: float, seconds: float) -> Sound:
    """Sample n of the sound has the value n + 1: never zero."""
    return Sound(np.arange(1, round(seconds * RATE) + 1, dtype=np.float32), start_s, RATE)


def test_sound_within_the_source() -> None:
    cut = align(counting(0.0, 5.0), Segment(0, 2.0, 1.5))
    assert cut is not None
    np.testing.assert_array_equal(cut.samples, np.arange(2001, 3501))
    assert (cut.valid_start_s, cut.valid_end_s) == (0.0, 1.5)


def test_sound_that_starts_later_is_padded_in_front() -> None:
    cut = align(counting(0.7, 5.0), Segment(0, 0.0, 2.0))
    assert cut is not None
    assert not cut.samples[:700].any()
    np.testing.assert_array_equal(cut.samples[700:], np.arange(1, 1301))
    assert (cut.valid_start_s, cut.valid_end_s) == (0.7, 2.0)


def test_sound_that_starts_earlier_and_ends_earlier() -> None:
    cut = align(counting(-0.5, 1.5), Segment(0, 0.0, 2.0))
    assert cut is not None
    np.testing.assert_array_equal(cut.samples[:1000], np.arange(501, 1501))
    assert not cut.samples[1000:].any()
    assert (cut.valid_start_s, cut.valid_end_s) == (0.0, 1.0)


@pytest.mark.parametrize("start", [-3.0, 3.0])
def test_no_sound_within_the_segment(start: float) -> None:
    assert align(counting(start, 1.0), Segment(0, 0.0, 2.0)) is None


def test_level_is_of_the_valid_part_only() -> None:
    samples = np.zeros(1000, np.float32)
    samples[500:] = 0.1
    assert rms_db(AlignedSound(samples, 0.5, 1.0), RATE) == pytest.approx(-20.0, abs=1e-4)
    assert rms_db(AlignedSound(samples, 0.0, 0.5), RATE) == SILENCE_DB


def test_flac_keeps_16_bits_and_clips() -> None:
    samples = np.array([0.0, 0.25, -0.5, 1.7, -3.0], np.float32)
    back, rate = soundfile.read(io.BytesIO(encode_flac(samples, 16_000)), dtype="float32")
    assert rate == 16_000
    np.testing.assert_allclose(back, [0.0, 0.25, -0.5, 1.0, -1.0], atol=1 / 2**15)
