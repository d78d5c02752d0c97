"""The Ray Train job end to end: losses, accuracies, checkpoint, resume, export. Each `fit` costs tens of seconds."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import ray
import torch
from mlflow import MlflowClient

import chronav
from chronav.errors import CallError, Stopped
from chronav.tracking import Run, tracking_uri
from pipelines.table import read_row_group
from trainer import checkpoint, job, preflight
from trainer.batch import DIGEST_RANGE, sample_digest
from trainer.config import HEADS
from trainer.job import pretrain
from trainer.scan import Exclusion
from trainer.tables import select_rows

STEPS = 60


def stop_once_begun(out: str) -> None:
    """Send this process SIGTERM, as a cluster does that takes a machine away, once training logs its steps."""
    client = MlflowClient(tracking_uri=tracking_uri())
    for _ in range(6000):
        time.sleep(0.1)
        ids = [e.experiment_id for e in client.search_experiments()]
        runs = client.search_runs(ids, f"tags.`chronav.out` = '{out}'")
        if runs and "loss/total" in runs[0].data.metrics:
            os.kill(os.getpid(), signal.SIGTERM)
            return


@pytest.fixture(scope="module")
def trained(kit, number_table, ray_local, tmp_path_factory) -> dict:
    """A run on two tables, stopped by SIGTERM soon after its beginning, and resumed to the end by `--resume auto`.

    The second part is watched in every way.
    """
    folder = tmp_path_factory.mktemp("runs")
    out = str(folder / "run")
    other = kit.write_table(folder / "other", [kit.row(i) for i in range(21, 25)])
    tables, exclude = [f"{number_table}=0.7", f"{other}=0.3"], ["toy/1=test"]
    # The fixture is made before the store of the first test is set: name one store for both runs.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path_factory.getbasetemp()}/mlflow.db")
        # With momentum keys and banks: what a resumed run has to have back.
        toy = ["heldout_draws=4", "loss.keys=momentum", "loss.bank_min_fill=4", "checkpoint_every=20"]
        toy += ["probe_every=4"]
        config = kit.toy_config(f"steps={STEPS}", *toy)
        stopper = threading.Thread(target=stop_once_begun, args=(out,), daemon=True)
        stopper.start()
        with pytest.raises(Stopped) as stopped:
            pretrain(tables, out, config, "tiny", exclude)
        stopper.join()
        left = checkpoint.read_progress(checkpoint.latest(out) or "")
        second = pretrain(
            tables,
            out,
            config.model_copy(update={"workers": 2}),
            "tiny",
            exclude,
            "auto",
            number_table,
            profile=True,
        )
    data = select_rows([number_table, other], config, [Exclusion.parse(text) for text in exclude], (0.7, 0.3))
    return {
        "out": out,
        "stopped": stopped.value,
        "left": left,
        "second": second,
        "config": config,
        "data": data,
        "tables": tables,
    }


def test_sigterm_saves_the_step_that_was_reached(trained):
    assert trained["stopped"].exit_code == 143
    assert 2 <= trained["left"].step < STEPS
    assert trained["second"]["resumed_from_step"] == trained["left"].step
    assert trained["second"]["begun_at_step"] == trained["left"].step


def test_the_outcome_holds_what_the_contract_promises(trained):
    outcome = trained["second"]
    assert set(outcome) >= {
        "steps",
        "samples",
        "begun_at_step",
        "resumed_from_step",
        "losses",
        "accuracies",
        "checkpoint",
        "export",
        "mlflow_run_id",
        "seconds",
    }
    assert set(outcome["accuracies"]) == set(HEADS)
    assert set(outcome["losses"]) == {*HEADS, "vv", "va", "total"}
    for accuracy in outcome["accuracies"].values():
        assert accuracy["n"] > 0
        assert 0 <= accuracy["low"] <= accuracy["value"] <= accuracy["high"] <= 1
    json.dumps(outcome)
    assert (outcome["steps"], outcome["samples"]) == (STEPS, 8 * STEPS)
    bank = torch.load(Path(outcome["checkpoint"], "state.pt"), weights_only=True)["contrast"]
    # All steps, those before the resume too; half of an epoch's samples is as much as the bank holds.
    half = trained["data"].plan(trained["config"]).epoch_samples // 2
    assert int(bank["banks.v_vv.pushed"]) == STEPS * min(half, 2 * 8)  # two windows a sample
    assert Path(outcome["checkpoint"]).name == f"checkpoint_{STEPS:08d}"


def test_only_the_latest_checkpoints_are_kept(trained):
    kept = sorted(path.name for path in Path(trained["out"]).glob("checkpoint_0*"))
    assert kept == [f"checkpoint_{step:08d}" for step in (STEPS - 20, STEPS)]


def test_a_resumed_run_goes_on_in_the_same_mlflow_run(trained):
    assert trained["second"]["mlflow_run_id"] == trained["left"].mlflow_run_id
    history = Run(tracking_uri(), trained["second"]["mlflow_run_id"]).history()
    logged = {h["step"] for h in history if "loss/total" in h}
    begun = trained["left"].step
    assert set(range(2, STEPS + 1, 2)) <= logged <= {*range(2, STEPS + 1, 2), begun}
    last = history[-1]
    for name in ("lr", "throughput/samples_per_s", "loss/vv", "loss/va", "heldout/order_va_chance"):
        assert name in last, name
    assert {f"loss/{head}" for head in HEADS} <= {name for h in history for name in h}
    assert {f"heldout/{head}" for head in HEADS} <= set(last)


def planned_digests(trained) -> dict[int, int]:
    """Step -> digest of the samples that the plan has for it, straight from the plan and the tables."""
    plan, config = trained["data"].plan(trained["config"]), trained["config"]
    digests = dict.fromkeys(range(1, STEPS + 1), 0)
    for piece in plan.pieces(range(config.lanes), 0, STEPS):
        for number, row, index in piece.samples.tolist():
            clip = read_row_group(piece.groups[number], ["clip_id"])["clip_id"][row].as_py()
            digests[index // config.batch_size + 1] += sample_digest(index, clip)
    return digests


def test_two_workers_see_the_samples_that_the_plan_has_for_one(trained):
    begun, digests = trained["left"].step, planned_digests(trained)
    history = Run(tracking_uri(), trained["second"]["mlflow_run_id"]).history()
    seen = {h["step"]: h["data/samples_digest"] for h in history if "data/samples_digest" in h}
    logged = [step for step in sorted(seen) if step > begun]
    assert logged[-1] == STEPS
    assert logged[0] <= begun + 2
    for before, step in pairwise([begun, *logged]):
        assert seen[step] == sum(digests[s] for s in range(before + 1, step + 1)) % DIGEST_RANGE, step


def test_a_run_is_watched(trained):
    run = Run(tracking_uri(), trained["second"]["mlflow_run_id"])
    last = run.history()[-1]
    for name in (
        "throughput/video_clips_per_s",
        "throughput/audio_clips_per_s",
        "memory/process_gib",
        "similarity/vv_positive",
        "similarity/va_positive_p95",
        "positives/vv_same_label",
        "rank/v_vv",
        "rank/audio_dead",
        "probe/knn_v",
        "probe/knn_a_chance",
    ):
        assert name in last, name
    assert last["throughput/video_clips_per_s"] == pytest.approx(2 * last["throughput/samples_per_s"])
    assert trained["second"]["probe"]["knn_v"]["n"] == 4  # the test part of its official split
    client = MlflowClient(tracking_uri=tracking_uri())
    assert "split toy/1" in client.get_run(run.run_id).data.tags["chronav.probe"]
    kept = {
        file.path for folder in ("profile", "watch") for file in client.list_artifacts(run.run_id, folder)
    }
    assert kept == {"profile/trace-rank0.json.gz", "profile/operators.txt", "watch/similarity.json"}
    assert Path(trained["out"], "profile", "trace-rank0.json.gz").is_file()


def test_weights_are_written_down_and_a_resumed_run_keeps_to_them(trained):
    params = MlflowClient(tracking_uri=tracking_uri()).get_run(trained["second"]["mlflow_run_id"]).data.params
    assert params["tables"] == ", ".join(map(str, trained["data"].sources))
    assert [table.weight for table in chronav.load_export(trained["second"]["export"]).config.tables] == [
        0.7,
        0.3,
    ]
    for weights in [(0.6, 0.4), (None, None)]:
        other = [
            text.rpartition("=")[0] + ("" if weight is None else f"={weight}")
            for text, weight in zip(trained["tables"], weights, strict=True)
        ]
        with pytest.raises(CallError, match=r"was trained on .*=0\.7, .*=0\.3, without .* not on") as caught:
            pretrain(other, trained["out"], trained["config"], "tiny", ["toy/1=test"], "auto")
        assert caught.value.code == "data_changed"


def test_the_export_is_a_registered_model(trained):
    client = MlflowClient(tracking_uri=tracking_uri())
    name, _, version = trained["second"]["model_version"].partition("/")
    found = client.get_model_version(name, version)
    assert found.source == trained["second"]["export"]
    assert found.run_id == trained["second"]["mlflow_run_id"]


def test_the_export_embeds_without_ray_or_the_loop(trained, kit):
    export = chronav.load_export(trained["second"]["export"])
    rng = np.random.default_rng(0)
    config = export.config
    assert (config.fps, config.sample_rate, config.n_frames) == (16.0, kit.rate, 8)
    assert config.mlflow_run_id == trained["second"]["mlflow_run_id"]
    video = rng.integers(0, 256, (3, 8, 20, 30, 3), dtype=np.uint8)
    found = export.embed(video=video, audio=rng.normal(0, 0.1, (2, 2 * kit.rate)).astype(np.float32))
    assert found.video is not None
    assert found.audio is not None
    assert (found.video.shape, found.audio.shape) == ((3, 16), (2, 16))
    twin = export.random_twin(seed=1).embed(video=video).video
    assert twin is not None
    assert not np.allclose(found.video, twin)
    seen = export.seen_videos()
    assert seen
    assert not {"video0", "video5", "video10", "video15"} & seen.keys()  # kept out by --exclude
    with pytest.raises(CallError, match="embed wants video"):
        export.embed(video=video[:, :4])


@pytest.fixture
def nothing_starts(monkeypatch) -> None:
    """Fails the test where Ray or an MLflow run is begun."""

    def begun(*_: object, **__: object) -> None:
        raise AssertionError("something was started")

    monkeypatch.setattr(job, "connected", begun)
    monkeypatch.setattr(job, "_start_run", begun)


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize(
    ("override", "message"),
    [
        # The window of 0.025 s is 80 samples, its spectrum takes 128: longer than the clip.
        ("audio.clip_s=0.03", "'audio.clip_s': 0.03 is 96 samples, fewer than the 128"),
        ("audio.f_max=7000.0 audio.f_min=1500.0", "'audio.f_min': 1500 is above all bands"),
        ("audio.hop_s=0.0001", "'audio.hop_s': 0.0001 is less than a sample"),
        ("audio.window_s=0.0001", "'audio.window_s': 0.0001 is less than a sample"),
    ],
)
def test_sound_that_the_tables_cannot_give_is_refused(kit, number_table, tmp_path, override, message):
    with pytest.raises(CallError, match=message):
        pretrain([number_table], str(tmp_path / "out"), kit.toy_config(*override.split()), "tiny")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("nothing_starts")
def test_sync_batch_without_a_gpu_is_refused_before_ray(kit, number_table, tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(CallError, match="'norm': sync_batch needs a GPU for each of 1 workers") as caught:
        pretrain([number_table], str(tmp_path / "out"), kit.toy_config("norm=sync_batch"), "tiny")
    assert caught.value.key == "norm"


@pytest.mark.usefixtures("nothing_starts")
def test_a_probe_without_a_table_or_without_labels_is_refused(kit, number_table, tmp_path):
    bare = kit.write_table(tmp_path / "bare", [kit.row(i, label=None) for i in range(3)])
    for table, message in ((str(tmp_path / "none"), "no clip table"), (bare, "no labelled video")):
        with pytest.raises(CallError, match=message) as caught:
            pretrain([number_table], str(tmp_path / "out"), kit.toy_config(), "tiny", probe=table)
        assert caught.value.path == table
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("gpus", [0, 1, 2])
def test_sync_batch_counts_the_gpus_of_the_cluster(kit, number_table, tmp_path, monkeypatch, gpus):
    """A driver without a GPU may train on a cluster with some; the MLflow run is begun only if there are enough."""

    class RunBegunError(Exception):
        pass

    def begun(*_: object) -> None:
        raise RunBegunError

    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setattr(job, "connected", lambda min_cpus: nullcontext())
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0, "GPU": float(gpus)})
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(job, "_start_run", begun)
    config = kit.toy_config("norm=sync_batch", "workers=2")
    with pytest.raises(RunBegunError if gpus == 2 else CallError):
        pretrain([number_table], str(tmp_path / "out"), config, "tiny")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("steps", "said"), [(1, True), (2, False)])
def test_a_warm_up_that_outlasts_the_run_is_said(kit, number_table, capsys, steps, said):
    config = kit.toy_config(f"steps={steps}")  # 2 of warm-up
    preflight.check(select_rows([number_table], config), config)
    assert ("warm-up (2 steps) outlasts the run (1)" in capsys.readouterr().err) is said


def test_wrong_calls_write_nothing(kit, number_table, trained, tmp_path):
    config = kit.toy_config()
    cases = [
        (str(tmp_path / "none"), str(tmp_path / "out"), "no", "no clip table"),
        (number_table, trained["out"], "no", "--resume auto"),
        (number_table, str(tmp_path / "out"), str(tmp_path / "nothing"), "no checkpoint"),
        (number_table, trained["out"], "auto", "another config: .*, lr=0.5 \\(was "),
        (number_table, trained["out"], "auto", "beyond steps=1"),
    ]
    for table, out, resume, message in cases:
        changed = kit.toy_config("lr=0.5") if message.startswith("another") else config
        if message.startswith("beyond"):
            changed = trained["config"].model_copy(update={"steps": 1})
        with pytest.raises(CallError, match=message):
            pretrain([table], out, changed, "tiny", [], resume)
    with pytest.raises(CallError, match="too few"):
        pretrain([number_table], str(tmp_path / "out"), kit.toy_config("lanes=64", "batch_size=64"), "tiny")
    assert not (tmp_path / "out").exists()
