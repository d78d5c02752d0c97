from __future__ import annotations

import pytest

from chronav.config import build
from chronav.errors import CallError
from trainer import recipes
from trainer.config import PretrainConfig


@pytest.mark.parametrize("name", sorted(recipes.RECIPES))
def test_every_recipe_is_a_valid_config(name):
    build(PretrainConfig, defaults=recipes.get(name))


def test_an_unknown_recipe_is_a_wrong_call():
    with pytest.raises(CallError, match="unknown recipe 'huge'"):
        recipes.get("huge")


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("lanes=3", "lanes"),
        ("batch_size=30", "batch_size"),
        ("sampling.speeds=[2,1]", "speeds"),
        ("video.n_frames=0", "video.n_frames"),
        ("loss.tau=0", "loss.tau"),
        ("audio.f_max=9000.0", "audio.f_max"),
        ("norm=layer", "norm"),
        ("stepz=3", "stepz"),
    ],
)
def test_bad_values_are_refused_by_name(override, key):
    with pytest.raises(CallError, match=key):
        build(PretrainConfig, overrides=["workers=2", override])
