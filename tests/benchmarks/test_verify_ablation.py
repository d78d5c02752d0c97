"""The arithmetic of the ablation table, and what it says of unfinished studies."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from benchmarks.ablation_page import difference, page
from benchmarks.ablation_run import FULL, MOMENTUM_KEYS, PROBES, config_of, result_file, result_of
from benchmarks.measures import measures_digest
from chronav import __version__
from trainer.config import HEADS


def result(seed: int, switch: str, score: float, low: float = 0.5) -> dict[str, Any]:
    head = {"value": score, "low": low, "high": 0.9, "chance": 0.3, "duration_baseline": 0.3}
    titles = [title for _, _, title in PROBES]
    return {
        "seed": seed,
        "switch": switch,
        "steps": 600,
        "seconds": 60.0,
        "trained": "2026-11-25",
        "heads": dict.fromkeys(HEADS, head),
        "figures": dict.fromkeys(titles, score),
        "random_weights": dict.fromkeys(titles, 0.2),
    }


def test_the_interval_is_that_of_students_t():
    # Differences -.1, -.2, -.3: mean -.2, deviation .1, t(2) = 4.303, divided by the root of 3.
    mean, low, high = difference([0.5, 0.5, 0.5], [0.4, 0.3, 0.2])
    assert mean == pytest.approx(-0.2)
    assert (low, high) == (
        pytest.approx(-0.2 - 4.3027 * 0.1 / math.sqrt(3), abs=1e-4),
        pytest.approx(-0.2 + 4.3027 * 0.1 / math.sqrt(3), abs=1e-4),
    )
    assert difference([0.5], [0.4])[1:] == (-math.inf, math.inf)


def test_differences_are_paired_by_seed_and_those_that_show_are_named():
    results = {
        FULL: [result(seed, FULL, score) for seed, score in ((1, 0.6), (2, 0.8), (3, 0.7))],
        "no_vv": [result(seed, "no_vv", score) for seed, score in ((3, 0.4), (1, 0.3), (2, 0.5))],
        "no_va": [result(seed, "no_va", score) for seed, score in ((1, 0.7), (2, 0.7), (3, 0.7))],
    }
    text, ok = page(results)
    assert ok
    assert "| no_vv | **-0.30** [-0.30, -0.30]" in text
    assert "`no_vv`: video R@1 -0.30" in text
    assert "`no_va`" not in text
    # Zero by construction: a head that is not trained.
    text, _ = page(results | {"no_speed": [result(seed, "no_speed", 0.1) for seed in (1, 2, 3)]})
    assert "`no_speed`: direction_v -0.60" in text
    assert "`no_speed`: speed_v" not in text


def test_one_seed_shows_nothing_and_says_what_was_not_run():
    text, _ = page({FULL: [result(1, FULL, 0.6)], "no_vv": [result(1, "no_vv", 0.1)]})
    assert "-0.50 [one seed]" in text
    assert "**Unfinished: one seed a switch.**" in text
    assert "no_temporal" in text.partition("Not run at all:")[2]


@pytest.mark.parametrize("broken", [result(1, FULL, 0.6, low=0.2), result(1, FULL, 0.1)])
def test_a_head_at_chance_or_features_below_random_weights_are_a_failure(broken):
    assert page({FULL: [broken]})[1] is False


def test_a_kept_result_counts_only_where_training_and_measures_are_those_of_today(tmp_path):
    made = result(1, "no_vv", 0.5) | {
        "version": __version__,
        "config_digest": config_of(1, "no_vv").digest(),
        "measures_digest": measures_digest(),
    }
    file = result_file(tmp_path, 1, "no_vv")
    for change, counts in (
        ({}, True),
        ({"measures_digest": "old"}, False),
        ({"config_digest": "old"}, False),
    ):
        file.write_text(json.dumps(made | change))
        assert (result_of(tmp_path, 1, "no_vv") is not None) == counts
    assert result_of(tmp_path, 2, "no_vv") is None


def test_momentum_keys_stand_beside_the_full_method_and_take_no_part_in_the_table_of_pieces():
    results = {
        FULL: [result(seed, FULL, 0.6 + 0.1 * seed) for seed in (1, 2, 3)],
        "no_vv": [result(seed, "no_vv", 0.6 + 0.1 * seed) for seed in (1, 2, 3)],
    }
    before, _ = page(results)
    assert "Momentum keys: not measured." in before
    worse = [result(seed, MOMENTUM_KEYS, 0.1 * seed, low=0.2 if seed == 2 else 0.5) for seed in (3, 1, 2)]
    text, ok = page(results | {MOMENTUM_KEYS: worse})
    assert ok  # it is a comparison, and no claim
    section = text.partition("## Momentum keys")[2]
    assert (
        "| speed_v | 0.80 ± 0.10 | 0.20 ± 0.10 | 0.30, 0.10, 0.20 | **-0.60** [-0.60, -0.60] | 2 of 3 |"
        in section
    )
    assert "| 1 of 3 |" in next(line for line in section.splitlines() if line.startswith("| video R@1 |"))
    assert "among 11 comparisons" in text
    assert f"| {MOMENTUM_KEYS} |" not in text.partition("## Momentum keys")[0]


def test_momentum_keys_differ_from_the_full_method_in_the_keys_and_their_banks_alone():
    full, momentum = config_of(3, FULL).model_dump(), config_of(3, MOMENTUM_KEYS).model_dump()
    assert momentum["loss"].pop("keys") == "momentum"
    for values in (full, momentum):
        values.pop("momentum")
        values["loss"].pop("bank_size")
    assert full["loss"].pop("keys") == "online"
    assert momentum == full
