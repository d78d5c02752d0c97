"""Recipes and switches: each makes a config that runs, and changes what it says and nothing else."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import trainer.input
from chronav.config import build
from chronav.errors import CallError
from chronav.tracking import flatten
from pipelines.schema import CLIP_SCHEMA
from pipelines.table import RowGroup
from trainer import recipes
from trainer.config import HEADS, PretrainConfig
from trainer.reads import TrainGroup
from trainer.recipes import RECIPES
from trainer.speeds import TARGET_PAIRS
from trainer.stored import stored_row
from trainer.switches import SWITCHES


def config_of(name: str) -> PretrainConfig:
    return build(PretrainConfig, defaults=recipes.get(name))


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("switch", ["", *SWITCHES])
def test_every_recipe_builds_with_every_switch(recipe, switch):
    plain, switched = config_of(recipe), config_of(f"{recipe}+{switch}" if switch else recipe)
    before, after = flatten(plain.model_dump()), flatten(switched.model_dump())
    changed = {key for key in after if after[key] != before[key]}
    assert all(key.startswith("loss.") for key in changed)
    # `tiny` has no extras to take away.
    assert bool(changed) == bool(switch and not (recipe == "tiny" and "extra" in switch))


def off(config: PretrainConfig) -> set[str]:
    terms = {*HEADS, "lambda_t", "vv", "va", "n_positives", "n_negatives"}
    return {term for term in terms if getattr(config.loss, term) == 0}


def test_switches_take_away_what_they_name():
    assert {name: off(config_of(f"small+{name}")) for name in SWITCHES} == {
        "no_temporal": {"lambda_t"},
        "no_speed": {"speed_v", "speed_a"},
        "no_direction": {"direction_v", "direction_a"},
        "no_order": {"order_vv", "order_aa", "order_va"},
        "no_intermodal_order": {"order_va"},
        "no_extra_positives": {"n_positives"},
        "no_extra_negatives": {"n_negatives"},
        "no_vv": {"vv"},
        "no_va": {"va"},
        "video_only": {"va", "speed_a", "direction_a", "order_aa", "order_va"},
        "audio_only": {"vv", "va", "speed_v", "direction_v", "order_vv", "order_va"},
    }
    assert config_of("small").loss.aa == config_of("small+video_only").loss.aa == 0
    assert config_of("small+audio_only").loss.aa == 1


def test_switches_add_up():
    assert off(config_of("small+no_vv+no_intermodal_order")) == {"vv", "order_va"}


def test_derived_recipes_keep_what_they_do_not_name():
    kinetics, vggsound = config_of("kinetics400"), config_of("vggsound")
    assert vggsound == kinetics.model_copy(update={"steps": vggsound.steps})
    ucf101 = config_of("ucf101")
    assert (ucf101.loss.bank_size, ucf101.precision) == (config_of("small").loss.bank_size, "bf16")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("huge", "unknown recipe 'huge' .known: tiny,"),
        ("tinny", "unknown recipe 'tinny', did you mean 'tiny'"),
        ("tiny+no_sound", "unknown switch 'no_sound'"),
    ],
)
def test_unknown_names_are_refused(name, message):
    with pytest.raises(CallError, match=message):
        recipes.get(name)


def test_switches_that_exclude_one_another_are_refused():
    with pytest.raises(CallError, match="video_only and audio_only exclude one another"):
        recipes.get("tiny+video_only+audio_only")


@pytest.mark.parametrize("recipe", RECIPES)
def test_held_out_measurements_of_every_recipe_ask_for_every_pair(recipe, kit, monkeypatch):
    config = config_of(recipe)
    row = stored_row(pa.Table.from_pylist([kit.row(1)], schema=CLIP_SCHEMA), 0)
    asked = []
    monkeypatch.setattr(trainer.input, "open_rows", lambda group: [row] * 4)
    monkeypatch.setattr(trainer.input, "make_sample", lambda *_, target, **__: asked.append(target))
    group = TrainGroup(RowGroup("none", 0, 4), np.arange(4))
    trainer.input.decode_heldout(group, 0, config, kit.rate)
    assert [asked.count(pair) for pair in range(len(TARGET_PAIRS))] == [config.heldout_draws] * 4
