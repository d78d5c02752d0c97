"""The grid: what it may hold, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronav.errors import CallError
from evaluation.ablate.config import GRIDS, open_config, open_grid
from trainer.switches import SWITCHES


def grid(tmp_path: Path, text: str) -> str:
    file = tmp_path / "grid.yaml"
    file.write_text(text)
    return str(file)


def refused(code: str, *names: str, of: str) -> None:
    with pytest.raises(CallError) as caught:
        open_grid(of)
    assert caught.value.code == code
    assert caught.value.exit_code == 2
    for name in names:
        assert name in str(caught.value)


def test_the_papers_grid_is_that_of_the_method() -> None:
    paper = open_grid("paper")
    assert set(SWITCHES) - set(paper.switches) == {"video_only", "audio_only"}
    assert (paper.seeds, paper.protocols) == ((0, 1, 2), ("retrieval", "linear", "audio"))


def test_a_grid_is_read_from_yaml(tmp_path: Path) -> None:
    text = (
        "switches: [no_vv]\nchanges:\n  still: [augment.p_flip=0, lr=1e-4]\nseeds: [7]\nprotocols: [linear]\n"
    )
    found = open_grid(grid(tmp_path, text))
    assert found.switches == ("no_vv",)
    assert found.changes == {"still": ["augment.p_flip=0", "lr=1e-4"]}
    assert (found.seeds, found.protocols) == ((7,), ("linear",))


@pytest.mark.parametrize(
    ("text", "code", "names"),
    [
        ("switches: [no_vw]\n", "bad_value", ("no_vw", "no_vv")),
        ("switchs: [no_vv]\n", "unknown_key", ("switchs", "switches")),
        ("switches: [no_vv, no_vv]\n", "bad_value", ("no_vv",)),
        ("switches: [no_vv]\nchanges: {no_vv: [lr=1]}\n", "bad_value", ("no_vv",)),
        ("switches: [no_vv]\nchanges: {full: [lr=1]}\n", "bad_value", ("full",)),
        ("changes: {'a/b': [lr=1]}\n", "bad_value", ("a/b",)),
        ("switches: [no_vv]\nseeds: [1, 1]\n", "bad_value", ("seeds",)),
        ("switches: [no_vv]\nseeds: [-1]\n", "bad_value", ("seeds",)),
        ("switches: [no_vv]\nprotocols: []\n", "bad_value", ("protocols",)),
        ("seeds: [1]\n", "bad_value", ("nothing to compare",)),
        ("- no_vv\n", "bad_file", ("grid.yaml",)),
        ("switches: [no_vv\n", "bad_file", ("grid.yaml",)),
    ],
)
def test_wrong_grids_name_what_is_wrong(text: str, code: str, names: tuple[str, ...], tmp_path: Path) -> None:
    refused(code, *names, of=grid(tmp_path, text))


def test_a_grid_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    refused("missing_grid", "none.yaml", *GRIDS, of=str(tmp_path / "none.yaml"))


def test_the_config_is_that_of_the_recipe_with_keys_of_its_own() -> None:
    config = open_config("tiny", None, ["steps=9", "evaluate.clips=3", "seeds=[4, 5]", "jobs=2"])
    assert (config.full.steps, config.full.batch_size, config.evaluate.clips) == (9, 32, 3)
    assert (config.seeds, config.jobs) == ((4, 5), 2)


@pytest.mark.parametrize(
    "wrong", ["seed=3", "seeds=[1, 1]", "jobs=-1", "evaluate.clip=3", "steps=0", "bogus=1"]
)
def test_wrong_keys_are_refused(wrong: str) -> None:
    with pytest.raises(CallError) as caught:
        open_config("tiny", None, [wrong])
    assert wrong.partition("=")[0] in str(caught.value)
