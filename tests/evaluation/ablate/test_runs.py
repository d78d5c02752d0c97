"""What a run is named by, and what of it is still to be done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chronav.config import build
from evaluation.ablate.runs import PRETRAIN, Data, RunSpec, keep, missing, read, to_do
from evaluation.config import EvaluateConfig
from trainer import recipes
from trainer.config import PretrainConfig

DATA = Data(tables=("/t",), versions={"/t": 3}, data="/d", measured="/d id 1")


def spec(out: Path | str = "/out", **changes: Any) -> RunSpec:
    values: dict[str, Any] = {
        "name": "no_vv",
        "seed": 1,
        "recipe": "tiny+no_vv",
        "config": build(PretrainConfig, defaults=recipes.get("tiny+no_vv") | {"seed": 1}),
        "data": DATA,
        "protocols": ("retrieval", "linear"),
        "evaluate": EvaluateConfig(),
        "out": str(out),
    }
    return RunSpec(**(values | changes))


def test_to_do() -> None:
    protocols = ("retrieval", "linear")
    assert to_do(protocols, [], False) == [PRETRAIN, *protocols]
    assert to_do(protocols, [PRETRAIN], True) == ["retrieval", "linear"]
    assert to_do(protocols, [PRETRAIN, "linear"], True) == ["retrieval"]
    assert to_do(protocols, [PRETRAIN, *protocols], True) == []
    # Figures of networks that are gone, or whose training is not known to have ended, say nothing.
    assert to_do(protocols, [PRETRAIN, *protocols], False) == [PRETRAIN, *protocols]
    assert to_do(protocols, ["retrieval", "linear"], True) == [PRETRAIN, *protocols]


@pytest.mark.parametrize(
    "changes",
    [
        {"config": spec().config.model_copy(update={"lr": 1e-5})},
        {"data": DATA.model_copy(update={"versions": {"/t": 4}})},
        {"data": DATA.model_copy(update={"tables": ("/t=0.5",)})},
        {"data": DATA.model_copy(update={"exclude": ("a/1=test",)})},
    ],
)
def test_other_networks_have_other_folders_and_figures(changes: dict[str, Any]) -> None:
    assert spec(**changes).folder != spec().folder
    assert spec(**changes).file("linear") != spec().file("linear")


@pytest.mark.parametrize(
    "changes",
    [
        {"evaluate": EvaluateConfig(clips=3)},
        {"data": DATA.model_copy(update={"measured": "/d id 2"})},
        {"data": DATA.model_copy(update={"split": "2"})},
    ],
)
def test_other_measurements_keep_the_networks(changes: dict[str, Any]) -> None:
    assert spec(**changes).folder == spec().folder
    assert spec(**changes).file(PRETRAIN) == spec().file(PRETRAIN)
    assert spec(**changes).file("linear") != spec().file("linear")


def test_what_changes_no_number_repeats_nothing() -> None:
    other = spec(
        evaluate=EvaluateConfig(workers=7, out="/elsewhere", cache="/c"),
        protocols=("linear",),
        parent_run="x",
    )
    assert other.file("linear") == spec().file("linear")


def test_a_spec_survives_the_way_to_its_process() -> None:
    assert RunSpec.model_validate_json(spec().model_dump_json()) == spec()


def test_what_is_on_disk_decides(tmp_path: Path) -> None:
    one = spec(tmp_path)
    assert missing(one) == [PRETRAIN, "retrieval", "linear"]
    keep(one, PRETRAIN, {"export": "e"})
    keep(one, "linear", {"main": "top1_video"})
    assert missing(one) == [PRETRAIN, "retrieval", "linear"]  # there is no export
    Path(one.export).mkdir(parents=True)
    Path(one.export, "config.json").write_text("{}")
    assert missing(one) == ["retrieval"]
    assert read(one, "linear") == {"main": "top1_video"}
    Path(one.file("linear")).write_text('{"main": ')  # a torn file
    assert missing(one) == ["retrieval", "linear"]
