"""The whole evaluation on a tiny table and a real, untrained export."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from chronav import load_export
from chronav.errors import CallError
from chronav.tracking import tracking_uri
from evaluation.config import EvaluateConfig
from evaluation.describe import Measurement
from evaluation.job import evaluate, nearest_videos
from evaluation.protocols import protocol_named
from evaluation.subject import prepare

KEYS = {
    "protocol",
    "metrics",
    "baselines",
    "coverage",
    "seen_in_pretraining",
    "report",
    "mlflow_run_id",
    "seconds",
}


def config(tmp_path: Path, **values: Any) -> EvaluateConfig:
    return EvaluateConfig(
        **{
            "clips": 2,
            "workers": 2,
            "bootstrap": 200,
            "out": str(tmp_path / "out"),
            "cache": str(tmp_path / "cache"),
        }
        | values
    )


@pytest.fixture(scope="module")
def retrieved(
    ray_local: None, colour_table: str, tiny_export: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    settings = config(tmp_path_factory.mktemp("retrieval"))
    with (
        pytest.MonkeyPatch.context() as patch
    ):  # the store of `own_mlflow`, which is set later, for each test
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path_factory.getbasetemp()}/mlflow.db")
        return evaluate("retrieval", tiny_export, colour_table, settings, None, None, 1)


def test_retrieval_outcome_has_every_key_of_the_contract(retrieved: dict[str, Any]) -> None:
    assert set(retrieved) >= KEYS | {"splits", "summary"}
    assert json.loads(json.dumps(retrieved)) == retrieved
    assert (
        retrieved["coverage"] | {"listed": 21, "found": 21, "missing": 0, "answerable": 9}
        == retrieved["coverage"]
    )
    assert retrieved["seen_in_pretraining"] == 0  # the one seen video is a training item
    assert retrieved["splits"][0]["n_train"] == 12
    assert retrieved["clips_embedded"] == 21 * 2
    assert retrieved["short_clips"] == 0
    assert "longer than the segment" not in retrieved["summary"]


def test_retrieval_of_colours_works_and_says_what_it_left_out(retrieved: dict[str, Any]) -> None:
    metrics = retrieved["metrics"]
    assert metrics["R@1"] > 0.8  # even random weights tell red from blue
    assert metrics["R@1_low"] <= metrics["R@1"] <= metrics["R@1_high"]
    assert set(retrieved["baselines"]) == {"random_weights", "classical", "chance"}
    assert retrieved["baselines"]["chance"]["R@1"] == pytest.approx(1 / 3)
    assert "R@20" not in metrics
    assert "R@20, R@50 left out: the gallery holds 12 videos" in retrieved["summary"]
    assert "are few" in retrieved["summary"]
    for word in ("2 clips x 1 crop", "8 frames at 16 fps", "32 px", "ucf101/1", "seed 0", "n = 9"):
        assert word in retrieved["protocol_text"]


def test_neighbours_are_test_queries_with_gallery_videos(retrieved: dict[str, Any]) -> None:
    assert len(retrieved["neighbours"]) == 8
    for row in retrieved["neighbours"]:
        assert row["query"]["video_id"][-2:] in {"04", "05", "06"}
        assert len(row["neighbours"]) == 5
        for found in row["neighbours"]:
            assert found["video_id"][-2:] in {"00", "01", "02", "03"}
            assert found["correct"] == (found["label"] == row["query"]["label"])


def test_run_is_tied_to_export_and_table(retrieved: dict[str, Any], tiny_export: str) -> None:
    run = MlflowClient(tracking_uri=tracking_uri()).get_run(retrieved["mlflow_run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.tags["export"] == tiny_export
    assert run.data.tags["pretrain_run_id"] == "0123abcd"
    assert run.data.tags["table_version"] == "2"
    assert run.data.params["clips"] == "2"
    assert run.data.params["protocol"] == "retrieval"
    assert run.data.metrics["R_at_1"] == pytest.approx(retrieved["metrics"]["R@1"])
    assert "random_weights/R_at_1" in run.data.metrics


def test_report_stands_alone(retrieved: dict[str, Any]) -> None:
    page = Path(retrieved["report"]).read_text()
    assert "data:image/jpeg;base64," in page
    assert "http" not in page
    assert "<script src" not in page


def test_linear_with_few_labels(ray_local: None, colour_table: str, tiny_export: str, tmp_path: Path) -> None:
    settings = config(tmp_path, labels=6, draws=3, crops=3)
    outcome = evaluate("linear", tiny_export, colour_table, settings, "ucf101", None, 1)
    assert outcome["clips_embedded"] == 21 * 2 * 3
    assert outcome["metrics"]["top1_video"] > 0.8
    assert {"top1_clip_low", "top1_video_6_labels", "top1_video_6_labels_std"} <= set(outcome["metrics"])
    assert outcome["baselines"]["majority_class"]["top1_video"] == pytest.approx(1 / 3)


def test_audio_over_all_folds(ray_local: None, esc50_table: str, tiny_export: str, tmp_path: Path) -> None:
    listed = [
        f"{fold}-{number}-{label}.wav,{fold},0,{label},{label != 'green'},1,A\n"
        for fold in range(1, 6)
        for number in range(3)
        for label in ("red", "green", "blue")
    ]
    (tmp_path / "esc50.csv").write_text(
        "filename,fold,target,category,esc10,src_file,take\n" + "".join(listed)
    )
    outcome = evaluate("audio", tiny_export, esc50_table, config(tmp_path), "esc10", str(tmp_path))
    assert [fold["name"] for fold in outcome["folds"]] == [f"esc50/fold {n}" for n in range(1, 6)]
    assert [fold["n_test"] for fold in outcome["folds"]] == [4] * 5
    assert outcome["metrics"]["top1_video"] == 1.0
    assert outcome["metrics"]["top1_video_low"] < 0.9  # 20 recordings are not certainty
    assert outcome["coverage"] | {"listed": 30, "found": 20, "missing": 10} == outcome["coverage"]
    assert "Only 20 of 30 listed items were found" in outcome["summary"]
    for fold in outcome["folds"]:
        cover = fold["coverage"]
        assert cover["official_list"]
        assert (cover["listed"], cover["found"], cover["missing"]) == (30, 20, 10)


def refused(code: str, *args: Any) -> str:
    with pytest.raises(CallError) as caught:
        evaluate(*args)
    assert caught.value.code == code
    return str(caught.value)


def test_wrong_calls_are_refused_and_nothing_is_written(
    ray_local: None, colour_table: str, tiny_export: str, tmp_path: Path, kit: SimpleNamespace
) -> None:
    settings = config(tmp_path)
    text = refused("unknown_protocol", "retreival", tiny_export, colour_table, settings, None, None, 1)
    assert "retrieval, linear, audio, crossmodal, finetune, all" in text
    refused("missing_export", "retrieval", str(tmp_path / "none"), colour_table, settings, None, None, 1)
    refused("missing_data", "retrieval", tiny_export, str(tmp_path / "none"), settings, None, None, 1)
    refused(
        "missing_dataset", "retrieval", tiny_export, str(Path(tiny_export).parent), settings, None, None, 1
    )
    text = refused("no_such_split", "retrieval", tiny_export, colour_table, settings, None, None, 3)
    assert "ucf101/1" in text
    refused("no_such_dataset", "retrieval", tiny_export, colour_table, settings, "hmdb51", None, 1)
    refused("bad_value", "linear", tiny_export, colour_table, config(tmp_path, labels=13), None, None, 1)
    slow = kit.make_export(tmp_path / "slow", fps=8.0)
    refused("unfit_table", "retrieval", slow, colour_table, settings, None, None, 1)
    low = kit.make_export(tmp_path / "low", sample_rate=8_000)
    refused("unfit_table", "audio", low, colour_table, settings, None, None, 1)
    deaf = kit.make_export(tmp_path / "deaf", sample_rate=0)
    refused("unfit_export", "audio", deaf, colour_table, settings, None, None, 1)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "cache").exists()


def test_items_seen_in_pretraining_are_refused_unless_allowed(
    ray_local: None, colour_table: str, tmp_path: Path, kit: SimpleNamespace
) -> None:
    export = kit.make_export(tmp_path / "export", seen=("v_blue_g05", "v_blue_g01", "elsewhere"))
    text = refused("seen_in_pretraining", "retrieval", export, colour_table, config(tmp_path), None, None, 1)
    assert "1 test items" in text
    assert "v_blue_g05" in text
    assert "--exclude ucf101/1=test" in text
    task = Measurement(protocol_named("retrieval"), load_export(export), config(tmp_path, allow_seen=True), 1)
    subject = prepare(colour_table, task, None, None)
    assert subject.seen == 1
    assert "1 test items were seen in pre-training (allow_seen)." in subject.notes


def test_wrong_calls_on_media_are_refused_before_anything_is_decoded(
    ray_local: None, tmp_path: Path, kit: SimpleNamespace
) -> None:
    names = ["v_Red_g01_c01", "v_Red_g02_c01", "v_Blue_g01_c01", "v_Blue_g02_c01"]
    lists = {"trainlist01.txt": "", "testlist01.txt": "", "classInd.txt": "1 Red\n2 Blue\n"}
    for name in names:
        path = f"{name.split('_')[1]}/{name}.avi"
        (tmp_path / "media" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "media" / path).write_bytes(b"not decoded")
        lists["testlist01.txt" if "_g01_" in name else "trainlist01.txt"] += f"{path} 1\n"
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
    export = kit.make_export(tmp_path / "export", seen=(names[0],))
    call = ("retrieval", export, str(tmp_path / "media"), config(tmp_path), "ucf101")
    assert names[0] in refused("seen_in_pretraining", *call, str(tmp_path), 1)
    refused("no_such_split", *call, str(tmp_path), 2)
    digest = hashlib.sha256(b"not decoded").hexdigest()  # the same file, known by another id
    other = kit.make_export(tmp_path / "other", files={"mine/a.avi": digest})
    refused("seen_in_pretraining", "retrieval", other, *call[2:], str(tmp_path), 1)
    refused("no_such_split", *call, None, 1)
    unseen = kit.make_export(tmp_path / "unseen")
    many = ("linear", unseen, str(tmp_path / "media"), config(tmp_path, labels=3), "ucf101", str(tmp_path), 1)
    assert "3 labels asked for" in refused("bad_value", *many)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("protocol", "rates", "told"),
    [
        ("audio", {"sample_rate": 8_000}, "sound at 8000 Hz, the measured export at 16000"),
        ("linear", {"fps": 8.0}, "pictures at 8 frames a second, the measured export at 16"),
    ],
)
def test_a_rival_of_other_rates_is_refused_before_anything_is_ingested(
    tiny_export: str, tmp_path: Path, kit: SimpleNamespace, protocol: str, rates: dict[str, Any], told: str
) -> None:
    for name in ("low/0.wav", "low/1.wav", "high/0.wav", "high/1.wav"):
        (tmp_path / "media" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "media" / name).write_bytes(b"not decoded")
    rival = kit.make_export(tmp_path / "rival", **rates)
    settings = config(tmp_path, folds=2)
    text = refused(
        "bad_value", protocol, tiny_export, str(tmp_path / "media"), settings, "folder", None, None, rival
    )
    assert told in text and rival in text
    assert not (tmp_path / "cache").exists()


def test_the_rate_of_what_a_protocol_does_not_look_at_may_differ(
    tiny_export: str, tmp_path: Path, kit: SimpleNamespace
) -> None:
    rival = load_export(kit.make_export(tmp_path / "rival", sample_rate=8_000))
    for protocol, fits in (("linear", True), ("audio", False), ("crossmodal", False)):
        task = Measurement(protocol_named(protocol), load_export(tiny_export), config(tmp_path), rival=rival)
        with contextlib.nullcontext() if fits else pytest.raises(CallError, match="8000 Hz"):
            task.check_exports()


def test_unlabelled_videos_have_neighbours_too(
    ray_local: None, tiny_export: str, tmp_path: Path, kit: SimpleNamespace
) -> None:
    rng = np.random.default_rng(5)
    rows = [
        kit.clip_row(f"mine/{label}{number}.mp4", dataset="folder", **kit.media(rng, label))
        for label in ("red", "green", "blue")
        for number in range(3)
    ]
    rows.append(kit.clip_row("mine/sound.wav", dataset="folder"))
    table = kit.write_table(tmp_path / "mine", rows)
    found = nearest_videos(tiny_export, table, config(tmp_path, neighbour_queries=4))
    assert len(found) == 4
    for row in found:
        names = [item["video_id"] for item in row["neighbours"]]
        assert len(set(names)) == 5
        assert row["query"]["video_id"] not in names
        assert {name[5:8] for name in names[:2]} == {row["query"]["video_id"][5:8]}  # its own colour first
        assert all(item["correct"] is None for item in row["neighbours"])
