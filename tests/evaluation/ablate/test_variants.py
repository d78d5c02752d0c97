"""Rows as configs: one piece changed, all else as it was."""

from __future__ import annotations

import pytest

from chronav.config import build
from chronav.errors import CallError
from evaluation.ablate.config import Grid
from evaluation.ablate.variants import switched, untrained, variants
from trainer import recipes
from trainer.config import PretrainConfig
from trainer.switches import SWITCHES


def config(recipe: str, *overrides: str) -> PretrainConfig:
    return build(PretrainConfig, overrides=overrides, defaults=recipes.get(recipe))


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_row_is_what_pretrain_makes_of_the_same_switch(switch: str) -> None:
    assert switched(config("world"), switch).digest() == config(f"world+{switch}").digest()


def test_a_switch_goes_before_what_the_call_says() -> None:
    assert switched(config("world", "loss.vv=2.0"), "no_vv").loss.vv == 0


def test_rows_carry_names_recipes_and_seeds() -> None:
    grid = Grid(switches=("no_vv",), changes={"slow": ["lr=1e-5", "sampling.speeds=[1]"]})
    rows, notes = variants(grid, config("world", "steps=5"), "world")
    assert [(row.name, row.recipe) for row in rows] == [
        ("full", "world"),
        ("no_vv", "world+no_vv"),
        ("slow", "world"),
    ]
    assert rows[2].config.lr == 1e-5
    assert {row.config.steps for row in rows} == {5}
    assert rows[1].seeded(4) == rows[1].config.model_copy(update={"seed": 4})
    assert notes == []


def test_a_switch_that_changes_nothing_is_left_out_and_named() -> None:
    # `tiny` has no extra positives.
    rows, notes = variants(Grid(switches=("no_extra_positives", "no_vv")), config("tiny"), "tiny")
    assert [row.name for row in rows] == ["full", "no_vv"]
    assert "no_extra_positives" in notes[0]
    with pytest.raises(CallError) as caught:
        variants(Grid(switches=("no_extra_positives",)), config("tiny"), "tiny")
    assert caught.value.code == "nothing_to_compare"


@pytest.mark.parametrize(
    ("change", "names"),
    [(["losss.vv=0"], "losss"), (["lr=-1"], "lr"), (["lr"], "key=value"), (["seed=3"], "seeds")],
)
def test_wrong_changes_name_the_row_and_the_key(change: list[str], names: str) -> None:
    with pytest.raises(CallError) as caught:
        variants(Grid(changes={"mine": change}), config("tiny"), "tiny")
    assert names in str(caught.value)
    assert "'mine'" in str(caught.value)


def test_a_switch_that_leaves_nothing_to_learn_is_refused() -> None:
    bare = config("tiny", "loss.vv=0.0", "loss.va=0.0")
    with pytest.raises(CallError, match=r"no_temporal.*nothing to learn"):
        variants(Grid(switches=("no_temporal",)), bare, "tiny")


def test_heads_that_a_row_does_not_train() -> None:
    assert untrained(switched(config("world"), "no_speed")) == ["speed_v", "speed_a"]
    assert len(untrained(switched(config("world"), "no_temporal"))) == 7
    assert untrained(config("world")) == []
