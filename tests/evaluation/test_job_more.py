"""Features once, comparisons, any labelled data, and what is refused: whole evaluations on a tiny table."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from mlflow import MlflowClient
from safetensors.torch import load_file, save_file

from chronav import load_export
from chronav.errors import CallError
from chronav.tracking import tracking_uri
from evaluation import fill
from evaluation.config import EvaluateConfig
from evaluation.data import labelled_items, with_items
from evaluation.items import read_videos
from evaluation.job import evaluate
from pipelines.table import open_table
from trainer.config import VideoConfig
from trainer.export import WEIGHTS, Export


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the tests of this file: what one has embedded the others find."""
    return tmp_path_factory.mktemp("shared")


def config(place: Path, **values: Any) -> EvaluateConfig:
    about = {"clips": 2, "bootstrap": 200, "out": str(place / "out"), "cache": str(place / "cache")}
    return EvaluateConfig(**about | values)


def _never(*_: Any) -> None:
    raise AssertionError("nothing is to be embedded")


def test_every_protocol_reads_what_was_embedded_once(
    ray_local: None, colour_table: str, tiny_export: str, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluate("linear", tiny_export, colour_table, config(shared))
    assert first["clips"] == first["clips_embedded"] == 42
    assert set(first["baselines"]) == {"random_weights", "classical", "chance", "majority_class"}
    assert first["metrics"]["top1_video"] == first["baselines"]["classical"]["top1_video"] == 1.0
    monkeypatch.setattr(fill, "embed_videos", _never)
    second = evaluate("linear", tiny_export, colour_table, config(shared))
    assert (second["clips"], second["clips_embedded"]) == (42, 0)
    for key in ("metrics", "baselines", "splits", "per_class", "confusion", "differences"):
        assert second[key] == first[key]
    assert evaluate("retrieval", tiny_export, colour_table, config(shared))["clips_embedded"] == 0
    with pytest.raises(AssertionError, match="nothing is to be embedded"):
        evaluate("linear", tiny_export, colour_table, config(shared, clips=1))


def test_a_second_export_of_the_architecture_embeds_nothing_for_its_twin(
    ray_local: None, colour_table: str, tiny_export: str, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluate("linear", tiny_export, colour_table, config(shared))
    other = shutil.copytree(tiny_export, shared / "other")
    weights = load_file(other / WEIGHTS)
    save_file({name: value * 1.5 for name, value in weights.items()}, other / WEIGHTS)
    asked: list[list[str]] = []
    embed = fill.embed_videos

    def noted(plan: Any, groups: Any, networks: Any, *rest: Any) -> Any:
        asked.append([network.name for network in networks])
        return embed(plan, groups, networks, *rest)

    monkeypatch.setattr(fill, "embed_videos", noted)
    second = evaluate("linear", str(other), colour_table, config(shared))
    assert asked == [["pretrained"]]
    assert second["clips_embedded"] == 42
    assert second["features"]["pretrained"] != first["features"]["pretrained"]
    assert second["baselines"]["random_weights"] == first["baselines"]["random_weights"]
    # Another architecture has another twin.
    wide = load_export(tiny_export).config.model_copy(update={"norm": "sync_batch"})
    assert Export("", wide, None).architecture() != load_export(tiny_export).architecture()


def test_everything_is_in_the_mlflow_run(
    ray_local: None, colour_table: str, tiny_export: str, shared: Path
) -> None:
    outcome = evaluate("linear", tiny_export, colour_table, config(shared))
    client = MlflowClient(tracking_uri=tracking_uri())
    run = client.get_run(outcome["mlflow_run_id"])
    numbers = {
        "top1_video": outcome["metrics"]["top1_video"],
        "ucf101_1/top1_video": outcome["splits"][0]["metrics"]["top1_video"],
        "classical/top1_video": 1.0,
        "less_random_weights/top1_video_p": outcome["differences"]["random_weights"]["top1_video"]["p"],
    }
    assert {name: run.data.metrics[name] for name in numbers} == pytest.approx(numbers)
    assert run.data.params["division"] == "official split ucf101/1"
    names = {file.path for file in client.list_artifacts(outcome["mlflow_run_id"])}
    tables = ("comparison", "folds", "per_class", "confusion", "answers")
    assert names >= {f"{name}.json" for name in (*tables, "outcome")}
    assert outcome["confusion"]["counts"] == [[3, 0, 0], [0, 3, 0], [0, 0, 3]]
    assert [row["class"] for row in outcome["per_class"]] == ["blue", "green", "red"]


def test_two_exports_are_compared_item_by_item(
    ray_local: None, colour_table: str, tiny_export: str, shared: Path, kit: SimpleNamespace
) -> None:
    # Another architecture: it looks at other clips, by its own config, longer than the segments of 24 frames.
    rival = kit.make_export(shared / "rival", changes=("video.width=8", "video.n_frames=32"))
    outcome = evaluate("linear", tiny_export, colour_table, config(shared), against=rival)
    found = outcome["differences"]["against"]["top1_video"]
    own, other = outcome["metrics"]["top1_video"], outcome["baselines"]["against"]["top1_video"]
    assert found["value"] == pytest.approx(own - other)
    assert 0 < found["p"] <= 1
    assert outcome["against"] == rival
    assert "top1_video less that of against" in outcome["summary"]
    page = Path(outcome["report"]).read_text()
    note = "42 clips are longer than the segment that they are cut from: their pictures are looped."
    assert outcome["short_clips"] == 42
    assert note in outcome["notes"] and note in outcome["summary"] and note in page


def test_retrieval_across_modalities_and_all_that_fits(
    ray_local: None, colour_table: str, tiny_export: str, shared: Path
) -> None:
    outcome = evaluate("all", tiny_export, colour_table, config(shared))
    assert set(outcome["protocols"]) == {"retrieval", "linear", "audio", "crossmodal"}
    assert outcome["left_out"] == {}
    metrics = outcome["metrics"]
    assert metrics["linear/top1_video"] == outcome["protocols"]["linear"]["metrics"]["top1_video"]
    assert {"crossmodal/v2a_R@1", "crossmodal/a2v_R@10", "crossmodal/v2a_own_R@5"} <= set(metrics)
    across = outcome["protocols"]["crossmodal"]
    assert set(across["baselines"]) == {"random_weights", "chance"}
    assert across["baselines"]["chance"]["v2a_own_R@1"] == pytest.approx(1 / 9)
    assert len(across["neighbours"]) == 8
    assert "whose sounds answer" in Path(across["report"]).read_text()
    assert {"classical", "classical_rbf"} <= set(outcome["protocols"]["audio"]["baselines"])


def test_a_table_of_ones_own_is_divided_and_repeated_with_seeds(
    ray_local: None, tiny_export: str, shared: Path, kit: SimpleNamespace
) -> None:
    rng = np.random.default_rng(0)
    rows = [
        kit.clip_row(f"{label}{n}", dataset="mine", label=label, group=f"g{n}", **kit.media(rng, label))
        for label in ("red", "green", "blue")
        for n in range(4)
    ]
    table = kit.write_table(shared / "mine", rows)
    outcome = evaluate("linear", tiny_export, table, config(shared, seeds=2))
    assert outcome["division"] == "each of 4 groups left out once"
    assert [row["name"] for row in outcome["folds"]] == [f"fold {n}" for n in (1, 2, 3, 4)] * 2
    assert [row["seed"] for row in outcome["folds"]] == [0] * 4 + [1] * 4
    assert {"top1_video_std", "top1_video_seed_std"} <= set(outcome["metrics"])
    assert {"top1_video_seed_std"} <= set(outcome["baselines"]["random_weights"])
    assert "bootstrap over groups" in outcome["protocol_text"]
    assert sum(map(sum, outcome["confusion"]["counts"])) == 12


def test_a_folder_a_class_is_measured_in_one_command(
    ray_local: None, tiny_export: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for label, hz in (("low", 300.0), ("high", 2400.0)):
        (tmp_path / "sounds" / label).mkdir(parents=True)
        for number in range(4):
            t = np.arange(24_000) / 16_000
            wave = 0.3 * np.sin(2 * np.pi * hz * t + rng.uniform(0, 6)) + 0.01 * rng.normal(size=t.size)
            soundfile.write(tmp_path / "sounds" / label / f"{number}.wav", wave, 16_000)
    settings = config(tmp_path, folds=2)
    outcome = evaluate("audio", tiny_export, str(tmp_path / "sounds"), settings, "folder")
    assert outcome["division"].startswith("2 folds stratified by class")
    assert outcome["coverage"]["found"] == 8
    assert outcome["metrics"]["top1_video"] == 1.0
    moved = tmp_path / "sounds" / "low" / "0.wav"
    moved.rename(tmp_path / "sounds" / "high" / "9.wav")  # its label is where it lies now
    items = labelled_items(str(tmp_path / "sounds"), "folder", None)
    videos, _ = read_videos(open_table(outcome["table"]))
    known = with_items(videos, {item.uri: item for item in items})
    assert sorted(item.label or "" for item in items) == ["high"] * 5 + ["low"] * 3
    assert len(known) == 7  # what lies elsewhere now is another file, yet to be ingested


def test_a_table_of_uris_with_groups_and_a_split_is_measured_by_them(
    ray_local: None, tiny_export: str, tmp_path: Path
) -> None:
    rng, lines = np.random.default_rng(0), ["uri,label,group,split"]
    for label, hz in (("low", 300.0), ("high", 2400.0)):
        for number, side in enumerate(("train", "train", "test", "test")):
            t = np.arange(24_000) / 16_000
            wave = 0.3 * np.sin(2 * np.pi * hz * t + rng.uniform(0, 6)) + 0.01 * rng.normal(size=t.size)
            soundfile.write(tmp_path / f"{label}{number}.wav", wave, 16_000)
            # The first and the last of `low` are of one group: the split tears it.
            group = "torn" if label == "low" and number in (0, 3) else f"{label}{number}"
            lines.append(f"{label}{number}.wav,{label},{group},{side}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    outcome = evaluate("audio", tiny_export, str(tmp_path / "labels.csv"), config(tmp_path), "folder")
    (part,) = outcome["splits"]
    assert (part["n_train"], part["n_test"]) == (4, 4)
    assert outcome["division"] == f"official split {part['name']}"
    assert outcome["metrics"]["top1_video"] == 1.0
    assert "bootstrap over groups" in outcome["protocol_text"]
    assert outcome["differences"]["random_weights"]["top1_video"]["groups"] == 4
    assert f"{part['name']} itself has 1 groups with videos on both sides." in outcome["notes"]


def test_where_one_class_has_both_sides_there_is_no_accuracy(
    colour_table: str, tiny_export: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = {"train": ["red_g00", "green_g00"], "test": ["red_g04", "blue_g04", "red_g05"]}
    for side, names in lists.items():
        lines = [f"{name.split('_')[0]}/v_{name}.avi 1\n" for name in names]
        (tmp_path / f"{side}list01.txt").write_text("".join(lines))
    monkeypatch.setattr(fill, "embed_videos", _never)
    outcome = evaluate("linear", tiny_export, colour_table, config(tmp_path), None, str(tmp_path))
    assert (outcome["metrics"], outcome["baselines"], outcome["splits"]) == ({}, {}, [])
    assert outcome["coverage"] | {"listed": 5, "found": 5, "answerable": 2} == outcome["coverage"]
    assert "No accuracy on ucf101/1: one class has items on both sides" in outcome["summary"]


def test_wrong_exports_and_labels_are_refused(
    colour_table: str, tiny_export: str, tmp_path: Path, kit: SimpleNamespace
) -> None:
    def refused(code: str, *args: Any, **more: Any) -> str:
        with pytest.raises(CallError) as caught:
            evaluate(*args, **more)
        assert caught.value.code == code
        return str(caught.value)

    settings = config(tmp_path)
    other = kit.make_export(
        tmp_path / "other", video=VideoConfig(encoder="r2plus1d_small", width=8, stages=3)
    )
    assert "is broken" in refused("bad_export", "linear", other, colour_table, settings)
    refused("missing_export", "linear", tiny_export, colour_table, settings, against=str(tmp_path / "none"))
    (tmp_path / "trainlist01.txt").write_text("red/v_red_g00.avi 1\ngreen/v_green_g00.avi 2\n")
    (tmp_path / "testlist01.txt").write_text("red/v_red_g04.avi\ngreen/v_green_g04.avi\n")
    (tmp_path / "classInd.txt").write_text("1 red\n2 green\n")
    text = refused("unknown_label", "linear", tiny_export, colour_table, settings, None, str(tmp_path))
    assert "label 'blue' is not in the class list of ucf101 (classInd.txt, 2 classes)" in text
    lone = Path(kit.make_export(tmp_path / "lone"))
    (lone / "joint.safetensors").unlink()
    refused("unfit_export", "crossmodal", str(lone), colour_table, settings)
    refused("missing_weights", "linear", tiny_export, colour_table, config(tmp_path, supervised="none.pth"))
    refused("bad_value", "audio", tiny_export, colour_table, config(tmp_path, window_s=0.001))
    assert not (tmp_path / "cache").exists()
