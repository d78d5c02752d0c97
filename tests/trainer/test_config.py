from __future__ import annotations

import pytest

from chronav.config import build
from chronav.errors import CallError
from trainer import recipes
from trainer.config import HEADS, PretrainConfig


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
        ("audio.f_min=8000.0", r"f_min \(8000\) must be below f_max \(7000\)"),
        ("audio.f_max=50.0", r"f_min \(60\) must be below f_max \(50\)"),
        ("audio.clip_s=0.01", r"clip_s \(0.01\) must be at least window_s \(0.025\)"),
        ("audio.blocks=[0, 0]", "audio.blocks"),
        ("audio.blocks=[1, 0]", "audio.blocks"),
        ("augment.noise_db_min=-5.0", r"noise_db_min \(-5\) must be at most noise_db_max \(-10\)"),
        ("norm=layer", "norm"),
        ("stepz=3", "stepz"),
    ],
)
def test_bad_values_are_refused_by_name(override, key):
    with pytest.raises(CallError, match=key):
        build(PretrainConfig, overrides=["workers=2", override])


@pytest.mark.parametrize(
    "temporal", [["loss.lambda_t=0.0"], [f"loss.{head}=0.0" for head in HEADS]], ids=["together", "each"]
)
def test_a_loss_without_any_weight_is_refused(temporal):
    with pytest.raises(CallError, match=r"config key 'loss': nothing to learn.*lambda_t.*order_va"):
        build(PretrainConfig, overrides=["loss.vv=0.0", "loss.va=0.0", *temporal])
    build(PretrainConfig, overrides=["loss.vv=0.0", *temporal])
    build(PretrainConfig, overrides=["loss.vv=0.0", "loss.va=0.0"])


def test_warm_up_may_outlast_the_run():
    """A recipe cut to a few steps, or a run that is to be resumed with more, keeps its warm-up."""
    for name in recipes.RECIPES:
        assert build(PretrainConfig, overrides=["steps=2"], defaults=recipes.get(name)).warmup_steps > 2
