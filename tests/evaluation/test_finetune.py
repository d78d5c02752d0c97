"""Fine-tuning: its parts without Ray, and one job of two workers end to end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from torch import nn

from chronav import load_export
from chronav.config import build
from chronav.errors import CallError, JobError
from chronav.tracking import tracking_uri
from evaluation.config import EvaluateConfig
from evaluation.embedder import ClipShape
from evaluation.few import some_of_each, with_few_labels
from evaluation.finetune.config import FinetuneConfig
from evaluation.finetune.examples import Cutter, LabelledBatch, TrainingSet, collate, training_set
from evaluation.finetune.layers import parameter_groups, rate_share, stages_of
from evaluation.finetune.network import build_classifier, export_weights, tuned_weights
from evaluation.finetune.train import Tuner, tune
from evaluation.items import groups_of, labels_of, read_videos
from evaluation.job import evaluate
from evaluation.protocols import protocol_named
from evaluation.protocols.finetune import probabilities
from evaluation.splits import Fold, divide
from pipelines.table import open_table
from trainer.config import AudioConfig, VideoConfig
from trainer.encoders import build_audio_encoder, build_video_encoder
from trainer.input import assemble
from trainer.stored import open_rows

CLASSES = ["blue", "green", "red"]
VIDEO = ClipShape("video", 8, 1, 16_000)
SOUND = ClipShape("audio", 8_000, 1, 16_000)
CONFIG = FinetuneConfig(batch_size=8, steps=6, log_every=3, warmup=0.0, dropout=0.3)


def video_encoder(name: str) -> nn.Module:
    with torch.device("meta"):
        return build_video_encoder(VideoConfig(encoder=name, width=16, stages=3), "batch")


@pytest.mark.parametrize(
    ("encoder", "stages"),
    [
        (video_encoder("r2plus1d_small"), 6),  # two stems, one in time, three blocks
        (video_encoder("r3d_18"), 9),  # a stem, four layers of two blocks
        (video_encoder("s3d"), 14),  # 13 layers, the first of them of two parts
        (build_audio_encoder(AudioConfig(width=8, blocks=(1, 2)), "group"), 4),
        (nn.Linear(3, 2), 1),
    ],
)
def test_every_parameter_learns_at_the_rate_of_its_stage(encoder: nn.Module, stages: int) -> None:
    found = stages_of(encoder)
    assert len(found) == stages
    head = nn.Linear(4, 3)
    config = FinetuneConfig(lr=0.01, weight_decay=0.5)
    groups = parameter_groups(encoder, head, config, 0.5)
    held = [id(p) for group in groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for m in (encoder, head) for p in m.parameters())
    peak_of = {id(p): group["peak"] for group in groups for p in group["params"]}
    for depth, stage in enumerate(found):
        for parameter in stage.parameters():
            assert peak_of[id(parameter)] == pytest.approx(0.01 * 0.5 ** (stages - depth))
    assert {peak_of[id(p)] for p in head.parameters()} == {0.01}
    for group in groups:
        assert all((p.ndim > 1) == (group["weight_decay"] == 0.5) for p in group["params"])


def test_rate_rises_over_the_warm_up_and_falls_to_nothing() -> None:
    rates = [rate_share(step, 20, 0.2) for step in range(20)]
    assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rates[12] == pytest.approx(0.5)  # half of the 16 steps that fall
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] == pytest.approx(0.5 * (1 + math.cos(math.pi * 15 / 16)))
    assert rate_share(0, 1, 0.1) == 1.0


def test_fewer_labels_are_a_part_of_more_and_equally_many_of_each_class() -> None:
    labels = np.array(["a"] * 9 + ["b"] * 30 + ["c"] * 2, dtype=object)
    items = np.delete(np.arange(labels.size), [0, 10, 20])
    drawn = {n: some_of_each(labels, items, n, seed=3) for n in (1, 5, 20)}
    for n, got in drawn.items():
        assert set(got) <= set(items)
        counts = {name: int((labels[got] == name).sum()) for name in "abc"}
        assert counts == {"a": min(n, 8), "b": n, "c": min(n, 2)}
    assert set(drawn[1]) < set(drawn[5]) < set(drawn[20])
    assert some_of_each(labels, items, 5, seed=3).tolist() == drawn[5].tolist()
    assert some_of_each(labels, items, 5, seed=4).tolist() != drawn[5].tolist()
    # What is drawn of a class does not depend on the others.
    alone = some_of_each(labels, items[labels[items] == "b"], 5, seed=3)
    assert alone.tolist() == [i for i in drawn[5] if labels[i] == "b"]


def test_few_labels_leave_the_test_side_alone_and_are_told() -> None:
    labels = np.array(["a"] * 6 + ["b"] * 6, dtype=object)
    fold = Fold("x/1", "", np.array([0, 1, 2, 3, 6, 7]), np.array([4, 5, 8, 9, 10, 11]), seed=2)
    (few,), notes = with_few_labels([fold], labels, 3)
    assert few.test.tolist() == fold.test.tolist()
    assert sorted(labels[few.train]) == ["a"] * 3 + ["b"] * 2
    assert "trained on 5 of 6 training videos" in notes[0]
    assert "1 classes have fewer than 3" in notes[1]
    assert with_few_labels([fold], labels, None) == ([fold], [])


def colours(table: str, modality: str = "video") -> tuple[list[Any], Fold, TrainingSet]:
    videos, groups = read_videos(open_table(table))
    fold = divide(videos, "ucf101", "1", EvaluateConfig()).folds[0]
    data = training_set(videos, labels_of(videos), fold.train.tolist(), CLASSES, groups, modality)
    return videos, fold, data


@pytest.mark.parametrize("modality", ["video", "audio"])
def test_what_is_trained_on_are_the_rows_of_the_training_side_and_their_classes(
    colour_table: str, modality: str
) -> None:
    videos, fold, data = colours(colour_table, modality)
    truth = {}
    for group in data.groups:
        rows = open_rows(group.group)
        numbers = data.classes[group.group.path, group.group.index]
        assert np.flatnonzero(numbers >= 0).tolist() == group.rows.tolist()
        truth |= {
            rows[row].clip_id: (rows[row].video_id, CLASSES[numbers[row]]) for row in group.rows.tolist()
        }
    train = {videos[i].video_id: videos[i].label for i in fold.train}
    assert len(truth) == data.segments == 24
    assert dict(truth.values()) == train
    assert not {videos[i].video_id for i in fold.test} & {video for video, _ in truth.values()}


def test_folds_made_here_keep_groups_on_one_side(colour_table: str) -> None:
    videos, groups = read_videos(open_table(colour_table))
    owner = groups_of(videos)
    for fold in divide(videos, "ucf101", "folds", EvaluateConfig(folds=3)).folds:
        data = training_set(videos, labels_of(videos), fold.train.tolist(), CLASSES, groups, "video")
        trained = {open_rows(g.group)[row].video_id for g in data.groups for row in g.rows.tolist()}
        tested = {owner[i] for i in fold.test}
        assert tested
        assert not tested & {owner[i] for i, video in enumerate(videos) if video.video_id in trained}


def test_a_clip_is_a_function_of_seed_and_index_and_lies_in_its_row(
    tmp_path: Path, kit: SimpleNamespace
) -> None:
    rng = np.random.default_rng(0)
    values = kit.media(rng, "red") | {"audio_valid_start_s": 0.25, "audio_valid_end_s": 1.0, "label": "red"}
    table = kit.write_table(tmp_path / "t", [kit.clip_row("v", **values)])
    groups = read_videos(open_table(table))[1]
    row = open_rows(groups[0])[0]
    ramp = np.arange(24_000, dtype=np.int16)  # sample n is n
    cut = Cutter({}, VIDEO, CONFIG, 0)
    one, again, other = (cut.example(row, ramp, 2, index) for index in (5, 5, 6))
    assert one.frames.shape == (1, 8, 32, 40, 3)
    assert (one.frames == again.frames).all() and (one.params == again.params).all() and one.label == 2
    assert (one.params != other.params).any()
    long = Cutter({}, ClipShape("video", 30, 1, 16_000), CONFIG, 0).example(row, ramp, 0, 0).frames[0]
    assert (long[24:] == long[:6]).all()  # too short a row is played round and round, as in the test
    for index in range(50):
        wave = Cutter({}, SOUND, CONFIG, 0).example(row, ramp, 0, index).wave
        assert wave[0] >= 4_000 and wave[-1] < 16_000
        assert (np.diff(wave) == 1).all()
    short = Cutter({}, ClipShape("audio", 30_000, 1, 16_000), CONFIG, 0).example(row, ramp, 0, 0).wave
    assert short[0] == 4_000 and (short[-10_000:] == 0).all()


def batches(
    table: str, config: FinetuneConfig, ranks: int = 1, first: int = 0
) -> list[Iterator[LabelledBatch]]:
    """What each of `ranks` workers gets, made without Ray."""
    data = colours(table)[2]
    plan = data.plan(config, 0)
    cutter = Cutter(data.classes, VIDEO, config, 0)
    each = plan.shape.lanes // ranks
    parts = []
    for rank in range(ranks):
        lanes = range(rank * each, (rank + 1) * each)
        rows: Any = cutter.cut(list(plan.pieces(lanes, first, config.steps)))
        parts.append(collate(examples, VIDEO) for examples in assemble(rows, lanes, plan.shape.per_lane))
    return parts


def test_the_batch_is_the_same_for_one_worker_and_for_two(colour_table: str) -> None:
    whole, halves = batches(colour_table, CONFIG)[0], batches(colour_table, CONFIG, ranks=2)
    labels = []
    for one, left, right in zip(whole, *halves, strict=True):
        assert torch.equal(one.params, torch.cat([left.params, right.params]))
        assert torch.equal(one.clips, torch.cat([left.clips, right.clips]))
        assert torch.equal(one.labels, torch.cat([left.labels, right.labels]))
        labels += one.labels.tolist()
    assert len(labels) == 6 * 8
    assert min(np.bincount(labels)) > 8  # 16 of each are expected


class Hooks:
    def __init__(self, stop_at: int | None = None) -> None:
        self.logged: list[dict[str, float]] = []
        self.state, self.tuner, self.stop_at, self.steps = b"", None, stop_at, 0

    def log(self, step: int, values: dict[str, float]) -> None:
        self.logged.append(values)

    def save(self, step: int) -> None:
        assert self.tuner is not None
        self.state = self.tuner.state(step)

    def stop_wanted(self) -> bool:
        self.steps += 1
        return self.steps == self.stop_at


def tuner_of(export: str, config: FinetuneConfig, hooks: Hooks, scratch: bool = False) -> Tuner:
    model = build_classifier(load_export(export), "video", 3, config.dropout, 0, scratch, exchange=False)
    tuner = Tuner.build(model, config, 0.8, None, 32, torch.device("cpu"))
    hooks.tuner = tuner  # type: ignore[assignment]
    return tuner


def test_training_begins_at_a_guess_and_learns(colour_table: str, tiny_export: str) -> None:
    config = CONFIG.model_copy(update={"steps": 60, "label_smoothing": 0.0, "log_every": 1})
    hooks = Hooks()
    tuner = tuner_of(tiny_export, config, hooks)
    assert tune(tuner, batches(colour_table, config)[0], config, 0, 0, 60, hooks) == 60
    assert hooks.logged[0]["loss"] == pytest.approx(math.log(3), abs=1e-6)
    assert hooks.logged[0]["lr"] == config.lr
    assert np.mean([v["loss"] for v in hooks.logged[-5:]]) < 0.7
    before, after = load_export(tiny_export).weights(), tuned_weights(tuner.model, "video")
    merged = export_weights(load_export(tiny_export), after)
    assert set(merged) == set(before)
    changed = {name for name in before if not torch.equal(before[name], merged[name])}
    assert all(name.startswith("video_encoder.") for name in changed)
    assert {name for name in before if name.startswith("video_encoder.") and "weight" in name} <= changed


def test_a_stopped_training_goes_on_as_if_nothing_had_happened(colour_table: str, tiny_export: str) -> None:
    straight, hooks = Hooks(), Hooks(stop_at=2)
    whole = tuner_of(tiny_export, CONFIG, straight)
    tune(whole, batches(colour_table, CONFIG)[0], CONFIG, 0, 0, 6, straight)
    stopped = tuner_of(tiny_export, CONFIG, hooks)
    assert tune(stopped, batches(colour_table, CONFIG)[0], CONFIG, 0, 0, 6, hooks) == 2
    resumed = tuner_of(tiny_export, CONFIG, Hooks())
    first = resumed.restore(hooks.state)
    assert first == 2
    tune(resumed, batches(colour_table, CONFIG, first=2)[0], CONFIG, 0, first, 6, Hooks())
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, rtol=1e-5, atol=1e-6)


def test_a_loss_that_is_not_finite_ends_the_training(colour_table: str, tiny_export: str) -> None:
    tuner = tuner_of(tiny_export, CONFIG, Hooks())
    with torch.no_grad():
        tuner.model.head.bias.fill_(math.nan)
    with pytest.raises(JobError, match="not finite at step 0"):
        tune(tuner, batches(colour_table, CONFIG)[0], CONFIG, 0, 0, 6, Hooks())


def test_from_scratch_begins_elsewhere_and_sync_batch_trains_on_a_cpu(
    tmp_path: Path, tiny_export: str, kit: SimpleNamespace
) -> None:
    export = load_export(tiny_export)
    own, scratch, same = (
        build_classifier(export, "audio", 3, 0.0, seed, scratch, False).encoder.state_dict()
        for seed, scratch in ((0, False), (0, True), (0, True))
    )
    twin = export.random_twin(0).weights()
    assert all(torch.equal(own[n], export.weights()[f"audio_encoder.{n}"]) for n in own)
    assert all(torch.equal(scratch[n], twin[f"audio_encoder.{n}"]) for n in scratch)
    assert all(torch.equal(scratch[n], same[n]) for n in scratch)
    assert any(not torch.equal(own[n], scratch[n]) for n in own)
    synced = load_export(kit.make_export(tmp_path / "synced", norm="sync_batch"))
    model = build_classifier(synced, "video", 3, 0.0, 0, False, exchange=False)
    assert not any(isinstance(m, nn.SyncBatchNorm) for m in model.modules())
    assert any(
        isinstance(m, nn.SyncBatchNorm)
        for m in build_classifier(synced, "video", 3, 0.0, 0, False, True).modules()
    )


def test_config() -> None:
    assert FinetuneConfig(epochs=2.5, batch_size=32).steps_for(100) == 8
    assert FinetuneConfig(steps=7).steps_for(100) == 7
    assert FinetuneConfig(batch_size=12).lanes == 4
    assert FinetuneConfig(batch_size=12, workers=3).lanes == 3
    # One key of the augmentation leaves the others at those of fine-tuning, not of pre-training.
    assert build(EvaluateConfig, None, ["finetune.augment.p_flip=0"]).finetune.augment.p_grey == 0
    with pytest.raises(CallError, match="multiple of workers"):
        build(EvaluateConfig, None, ["finetune.workers=3"])
    sound = build(EvaluateConfig, None, ["finetune.modality=audio"])
    assert protocol_named("finetune", sound).modalities == ("audio",)
    assert protocol_named("finetune").modalities == ("video",)


def test_probabilities_are_those_of_a_softmax() -> None:
    logits = np.array([[0.0, math.log(3.0)], [1000.0, 1000.0]])
    np.testing.assert_allclose(probabilities(logits), [[0.25, 0.75], [0.5, 0.5]])


def test_finetune_from_end_to_end(
    ray_local: None, colour_table: str, tiny_export: str, tmp_path: Path
) -> None:
    settings = build(
        EvaluateConfig,
        None,
        [
            *("clips=2", "crops=3", "bootstrap=100", "labels_per_class=3"),
            *(f"out={tmp_path}/out", f"cache={tmp_path}/c"),
            *("finetune.workers=2", "finetune.steps=60", "finetune.batch_size=16", "finetune.threads=1"),
        ],
    )
    outcome = evaluate("finetune", tiny_export, colour_table, settings, None, None, 1)
    metrics, baselines = outcome["metrics"], outcome["baselines"]
    assert set(baselines) == {"from_scratch", "frozen_linear", "classical", "chance", "majority_class"}
    assert metrics["top1_video"] > 0.7
    assert {"top1_clip", "top1_video_low", "top1_video_high", "top1_video_gain"} <= set(metrics)
    assert outcome["splits"][0] | {"n_train": 9, "n_test": 9} == outcome["splits"][0]
    assert outcome["clips_embedded"] == 9 * 2 * 3
    assert sum(row["n"] for row in outcome["per_class"]) == 9
    assert np.sum(outcome["confusion"]["counts"]) == 9
    assert "trained on 9 of 12 training videos" in outcome["summary"]
    assert "from scratch" in outcome["protocol_text"]
    logged = MlflowClient(tracking_uri=tracking_uri()).get_run(outcome["mlflow_run_id"]).data.metrics
    assert logged["finetune/pretrained/ucf101_1_seed_0/loss"] < math.log(3)
    assert "finetune/from_scratch/ucf101_1_seed_0/train_accuracy" in logged
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "c" / "finetuned").iterdir()}
    assert {file.suffix for file in kept} == {".safetensors"} and len(kept) == 2
    again = evaluate(
        "finetune", tiny_export, colour_table, settings, None, None, 1
    )  # nothing is trained twice
    assert again["metrics"] == metrics
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "c" / "finetuned").iterdir()} == kept
