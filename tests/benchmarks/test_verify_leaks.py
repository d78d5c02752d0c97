from __future__ import annotations

from benchmarks.leaks import Reading
from benchmarks.verify_leaks import leaks, own_leaks, pooled, rows
from trainer.config import HEADS


def reading(value: float) -> Reading:
    return Reading(value, 0.5, 1000, value - 0.03, value + 0.03, 0.51)


def table(lossless: float, codec: float, unguarded: float) -> dict:
    return {
        ("lossless", 25.0, True): {head: reading(lossless) for head in HEADS if head != "speed_v"},
        ("h264", 25.0, True): {head: reading(codec) for head in HEADS},
        ("lossless", 12.5, False): {head: reading(unguarded) for head in HEADS},
    }


def test_the_error_is_that_of_a_guess_or_of_the_wider_interval_over_videos():
    assert reading(0.5).error == (0.25 / 1000) ** 0.5
    assert Reading(0.5, 0.5, 1000, 0.4, 0.6, 0.5).error > 0.05


def test_a_leak_is_an_accuracy_well_above_the_best_constant_answer():
    one = reading(0.6)
    assert one.leaks
    assert not reading(one.guess + one.least_leak - 1e-6).leaks
    assert reading(one.guess + one.least_leak + 1e-6).leaks
    assert not reading(0.52).leaks


def test_only_lossless_media_with_all_guards_count_as_leaks_of_our_own():
    assert own_leaks(table(0.51, 0.9, 0.9)) == 0
    assert own_leaks(table(0.6, 0.5, 0.5)) == len(HEADS) - 1


def test_every_head_that_leaks_is_named_and_bold():
    found = table(0.51, 0.9, 0.5)
    assert len(leaks(found)) == len(HEADS)
    lines = rows(found)[2:]
    assert ["**" in line for line in lines] == [False, True, False]
    assert "not asked" in lines[0]


def test_a_leak_too_small_for_one_frame_rate_is_found_over_all_of_them():
    small = {head: reading(0.56) for head in HEADS}
    assert not any(r.leaks for r in small.values())
    assert pooled({("h264", fps, True): small for fps in (12.5,)}) == []
    found = pooled({("h264", fps, True): small for fps in (12.5, 25.0, 29.97)})
    assert len(found) == len(HEADS)
    assert "H.264" in found[0]
    large = {("h264", fps, True): {head: reading(0.9) for head in HEADS} for fps in (12.5, 25.0)}
    assert pooled(large) == []  # named one by one already
