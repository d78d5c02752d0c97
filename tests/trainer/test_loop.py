"""The loop without Ray: learning, resuming, failing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pyarrow as pa
import pytest
import torch

from chronav.errors import JobError
from pipelines.schema import CLIP_SCHEMA
from trainer import checkpoint
from trainer.batch import collate
from trainer.config import HEADS
from trainer.learner import Learner
from trainer.loop import train
from trainer.optimiser import learning_rate
from trainer.sample import decode_audio, make_sample
from trainer.step import optimise
from trainer.stored import stored_row


@dataclass
class Recorder:
    logged: dict[int, dict[str, float]] = field(default_factory=dict)
    measured: list[int] = field(default_factory=list)
    saved: list[int] = field(default_factory=list)
    stepped_to: int = 0
    stop_at: int | None = None
    save_at: int | None = None
    asked: int = 0

    def stepped(self, step: int) -> None:
        self.stepped_to = step

    def log(self, step: int, metrics: dict[str, float]) -> None:
        self.logged[step] = metrics

    def measure(self, step: int) -> None:
        self.measured.append(step)

    def save(self, step: int) -> None:
        self.saved.append(step)

    def save_wanted(self, step: int) -> bool:
        return step == self.save_at

    def stop_wanted(self) -> bool:
        self.asked += 1
        return self.asked == self.stop_at


def batches(kit, config, steps: int, **row):
    rows = [kit.row(i, sound=i % 3 != 0, **row) for i in range(6)]
    stored = [stored_row(pa.Table.from_pylist([r], schema=CLIP_SCHEMA), 0) for r in rows]
    sounds = [decode_audio(s, kit.rate) for s in stored]
    made = []
    for step in range(steps):
        indices = [step * config.batch_size + i for i in range(config.batch_size)]
        samples = [make_sample(stored[i % 6], sounds[i % 6], i, config, kit.rate) for i in indices]
        made.append([collate([s for s in samples if s is not None], config)])
    return made


def fresh(kit, config):
    return Learner.build(config, kit.rate, 64, torch.device("cpu"))


def test_the_first_temporal_losses_are_logarithms_of_the_class_counts(kit):
    config = kit.toy_config()
    learner = fresh(kit, config)
    terms = optimise(learner, batches(kit, config, 1)[0], config, 0).terms
    for name, classes in zip(HEADS, (4, 4, 2, 2, 3, 3, 3), strict=True):
        if float(terms[name].count):
            assert float(terms[name].mean) == pytest.approx(math.log(classes), rel=1e-6), name
    assert float(terms["speed_v"].count) == 2 * config.batch_size
    assert float(terms["order_vv"].count + terms["order_aa"].count + terms["order_va"].count) == 8


def test_a_run_interrupted_and_resumed_equals_an_undisturbed_one(kit, tmp_path):
    config = kit.toy_config("log_every=1", "loss.bank_min_fill=4", "loss.keys=momentum")
    data = batches(kit, config, 6)
    whole = Recorder()
    learner = fresh(kit, config)
    train(learner, iter(data), config, torch.device("cpu"), 0, whole)
    assert (whole.measured, whole.saved) == ([6], [3, 6])

    first = config.model_copy(update={"steps": 6})
    learner = fresh(kit, config)
    stopped = Recorder()
    with pytest.raises(StopIteration):  # the stream ends after three steps, as if the worker had died
        train(learner, iter(data[:3]), first, torch.device("cpu"), 0, stopped)
    progress = checkpoint.Progress(step=3, config_digest=checkpoint.digest(config), data=("T@0",))
    checkpoint.write(str(tmp_path), checkpoint.snapshot(learner), progress)

    learner = fresh(kit, config)
    with torch.no_grad():
        for value in [*learner.model.parameters(), *learner.contrast.parameters()]:
            value.add_(1.0)
    assert checkpoint.load(str(tmp_path), learner).step == 3
    resumed = Recorder()
    train(learner, iter(data[3:]), config, torch.device("cpu"), 3, resumed)
    for step in (4, 5, 6):
        for name, value in resumed.logged[step].items():
            if not name.startswith("throughput"):
                assert value == pytest.approx(whole.logged[step][name], abs=1e-5), (step, name)


def test_a_stop_that_is_wanted_saves_once_and_says_how_far_it_got(kit):
    config = kit.toy_config()
    for stop_at, saved in ((2, [2]), (3, [3]), (4, [3, 4]), (6, [3, 6])):
        recorder = Recorder(stop_at=stop_at)
        done = train(
            fresh(kit, config), iter(batches(kit, config, 6)), config, torch.device("cpu"), 0, recorder
        )
        assert (done, recorder.saved) == (stop_at, saved)
        assert bool(recorder.measured) == (stop_at == 6)


def test_a_checkpoint_that_is_wanted_is_written_once(kit):
    config = kit.toy_config()
    for save_at, saved in ((2, [2, 3, 6]), (3, [3, 6])):
        recorder = Recorder(save_at=save_at)
        train(fresh(kit, config), iter(batches(kit, config, 6)), config, torch.device("cpu"), 0, recorder)
        assert recorder.saved == saved


def test_what_differs_between_two_configs_is_listed_key_by_key(kit):
    config = kit.toy_config()
    loss = config.loss.model_copy(update={"keys": "momentum"})
    other = config.model_copy(update={"lr": 0.5, "loss": loss, "steps": 99})
    before, now = checkpoint.fixed(config), checkpoint.fixed(other)
    assert "steps" not in before
    assert checkpoint.changes(before, before) == []
    assert checkpoint.changes(before, now) == [
        f'loss.keys="momentum" (was "{config.loss.keys}")',
        f"lr=0.5 (was {config.lr})",
    ]


def test_the_newest_whole_checkpoint_is_taken(kit, tmp_path):
    """One that has made way for others, or was cut off in its making, is passed over."""
    config = kit.toy_config()
    state = checkpoint.snapshot(fresh(kit, config))
    for step in (3, 6):
        progress = checkpoint.Progress(step=step, config_digest=checkpoint.digest(config), data=("T@0",))
        checkpoint.write(str(tmp_path / checkpoint.name_of(step)), state, progress)
    (tmp_path / checkpoint.name_of(9)).mkdir()
    (tmp_path / checkpoint.name_of(9) / checkpoint.TENSORS).write_bytes(b"cut off")
    folders = [str(tmp_path / checkpoint.name_of(step)) for step in (1, 3, 6, 9)]
    assert checkpoint.newest(folders) == checkpoint.latest(str(tmp_path)) == folders[2]
    assert checkpoint.newest(folders[:1]) is None


def test_a_snapshot_is_not_touched_by_later_steps(kit):
    config = kit.toy_config("loss.keys=momentum")
    learner = fresh(kit, config)
    data = batches(kit, config, 2)
    optimise(learner, data[0], config, 0)
    state = checkpoint.snapshot(learner)
    before = {name: value.clone() for name, value in state["model"].items()}
    step_before = [float(entry["step"]) for entry in state["optimiser"]["state"].values()]
    optimise(learner, data[1], config, 1)
    torch.testing.assert_close(state["model"], before)
    assert [float(entry["step"]) for entry in state["optimiser"]["state"].values()] == step_before


def test_the_objective_falls_on_a_batch_seen_again_and_again(kit):
    config = kit.toy_config("steps=120", "warmup_steps=1", "log_every=20")
    recorder = Recorder()
    learner = fresh(kit, config)
    train(
        learner,
        iter(batches(kit, config, 1) * 120),
        config,
        torch.device("cpu"),
        0,
        recorder,
    )
    assert recorder.logged[120]["loss/total"] < 0.8 * recorder.logged[20]["loss/total"]


def test_a_loss_that_is_not_finite_names_step_term_and_clips(kit):
    config = kit.toy_config()
    learner = fresh(kit, config)
    with torch.no_grad():
        learner.model.speed_v.bias.fill_(torch.nan)
    with pytest.raises(JobError, match=r"step 5: .*speed_v.*any of the clips video\d+:0"):
        optimise(learner, batches(kit, config, 1)[0], config, 5)


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_the_clips_that_broke_a_step_are_named_wherever_they_are_in_the_batch(kit, norm):
    config = kit.toy_config(f"norm={norm}", "batch_size=24")
    learner = fresh(kit, config)
    (batch,) = batches(kit, config, 1)[0]
    at = int(batch.audio_row[22, 1])
    batch.audio_params[at] = torch.nan
    with pytest.raises(JobError, match=rf"not finite at step 2: .*; clips {batch.clip_ids[22]}$"):
        optimise(learner, [batch], config, 2)


@pytest.mark.parametrize(
    "change", [{"n_frames": 0, "frames": []}, {"audio": None, "audio_valid_end_s": None}]
)
def test_a_batch_that_lacks_a_modality_trains_the_other(kit, change):
    config = kit.toy_config()
    learner = fresh(kit, config)
    data = [kit.row(i) | change for i in range(4)]
    stored = [stored_row(pa.Table.from_pylist([r], schema=CLIP_SCHEMA), 0) for r in data]
    samples = [make_sample(s, decode_audio(s, kit.rate), i, config, kit.rate) for i, s in enumerate(stored)]
    batch = collate([s for s in samples if s is not None], config)
    stepped = optimise(learner, [batch], config, 0)
    terms = stepped.terms
    assert math.isfinite(stepped.loss)
    absent, present = ("v", "a") if "frames" in change else ("a", "v")
    assert float(terms[f"speed_{absent}"].count) == 0
    assert float(terms[f"speed_{present}"].count) == 8
    assert float(terms["va"].count) == 0


def test_throughput_counts_the_clips_of_each_modality(kit):
    config = kit.toy_config("log_every=3", "steps=3")
    data = batches(kit, config, 3)
    recorder = Recorder()
    train(fresh(kit, config), iter(data), config, torch.device("cpu"), 0, recorder)
    assert recorder.stepped_to == 3
    logged = recorder.logged[3]
    per_sample = {
        side: sum(len(getattr(part, side).speed) for step in data for part in step) / (3 * config.batch_size)
        for side in ("video", "audio")
    }
    assert per_sample["video"] == 2
    assert 0 < per_sample["audio"] < 2  # some have no sound
    for side, clips in per_sample.items():
        rate = logged[f"throughput/{side}_clips_per_s"]
        assert rate == pytest.approx(clips * logged["throughput/samples_per_s"], rel=1e-6)


def test_learning_rate_warms_up_linearly_and_falls_by_half_a_cosine(kit):
    config = kit.toy_config("steps=110", "warmup_steps=10", "lr=0.4", "lr_batch=16")
    assert learning_rate(0, config) == pytest.approx(0.02)
    assert learning_rate(9, config) == pytest.approx(0.2)
    assert learning_rate(60, config) == pytest.approx(0.1)
    assert learning_rate(110, config) == pytest.approx(0.0, abs=1e-9)


def test_norms_and_biases_do_not_decay(kit):
    learner = fresh(kit, kit.toy_config())
    decayed, plain = learner.optimiser.param_groups
    assert decayed["weight_decay"] == 1e-4
    assert plain["weight_decay"] == 0
    assert all(p.ndim > 1 for p in decayed["params"])
    assert len(decayed["params"]) + len(plain["params"]) == len(list(learner.model.parameters()))
