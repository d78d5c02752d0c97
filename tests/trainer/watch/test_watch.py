"""Watching changes nothing that is learnt; it warns of a collapse; it logs what it says it logs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from chronav.tracking import Run
from pipelines.schema import CLIP_SCHEMA
from trainer.batch import Batch, collate
from trainer.heldout import heldout_accuracies
from trainer.learner import Learner
from trainer.loop import train
from trainer.sample import decode_audio, make_sample
from trainer.stored import stored_row
from trainer.tables import select_rows
from trainer.watch.probe_table import open_probe
from trainer.watch.watch import Watch, Watched, probe_due

CPU = torch.device("cpu")
STEPS = 6


def batches(kit: Any, config: Any, videos: range, count: int, augment: bool = True) -> list[Batch]:
    rows = [kit.row(i, sound=i % 3 != 0) for i in videos]
    stored = [stored_row(pa.Table.from_pylist([row], schema=CLIP_SCHEMA), 0) for row in rows]
    sounds = [decode_audio(row, kit.rate) for row in stored]
    made = []
    for step in range(count):
        samples = [
            make_sample(
                stored[i % len(rows)], sounds[i % len(rows)], 8 * step + i, config, kit.rate, augment=augment
            )
            for i in range(8)
        ]
        made.append(collate([sample for sample in samples if sample is not None], config))
    return made


class Plain:
    """Hooks that only remember what was logged."""

    def __init__(self) -> None:
        self.logged: dict[int, dict[str, float]] = {}

    def stepped(self, step: int) -> None: ...

    def log(self, step: int, metrics: dict[str, float]) -> None:
        self.logged[step] = metrics

    def measure(self, step: int) -> None: ...

    def save(self, step: int) -> None: ...

    def save_wanted(self, step: int) -> bool:
        return False

    def stop_wanted(self) -> bool:
        return False


class Watching(Plain):
    """Hooks that watch all there is."""

    def __init__(self, watch: Watch, learner: Learner, config: Any, heldout: list[Batch]) -> None:
        super().__init__()
        self.watch, self.learner, self.config, self.heldout = watch, learner, config, heldout

    def stepped(self, step: int) -> None:
        self.watch.stepped(step)

    def log(self, step: int, metrics: dict[str, float]) -> None:
        super().log(step, metrics)
        self.watch.resources()

    def measure(self, step: int) -> None:
        seen = self.watch.observer()
        model, log_mel = self.learner.model, self.learner.log_mel
        heldout_accuracies(model, log_mel, self.heldout, self.config, CPU, seen.add)
        self.watch.report(step, seen)


def watch_of(
    kit: Any, table: str, config: Any, learner: Learner, run: Run, profile_to: str | None = None
) -> Watch:
    data = select_rows([table], config)
    warnings: list[str] = []
    job = SimpleNamespace(
        config=config,
        data=data,
        board=SimpleNamespace(warn=SimpleNamespace(remote=warnings.append), warnings=warnings),
        watched=Watched(open_probe(table, config, data), profile_to),
    )
    return Watch(job, learner, CPU, run, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("keys", ["momentum", "online"])
def test_watching_changes_nothing_that_is_learnt(kit, number_table, tmp_path, keys):
    config = kit.toy_config(
        f"steps={STEPS}",
        "log_every=1",
        "heldout_every=2",
        f"loss.keys={keys}",
        "loss.bank_min_fill=4",
        "loss.aa=0.5",
    )
    data = [[batch] for batch in batches(kit, config, range(6), STEPS)]
    plain, learner = Plain(), Learner.build(config, kit.rate, 48, CPU)
    train(learner, iter(data), config, CPU, 0, plain)
    random = (torch.random.get_rng_state(), np.random.get_state()[1].copy())

    watched = Learner.build(config, kit.rate, 48, CPU)
    run = Run.start("pretrain", "watched")
    profiled = keys == "momentum"  # once is enough: writing a trace takes seconds
    profile_to = str(tmp_path / "profile") if profiled else None
    watch = watch_of(kit, number_table, config, watched, run, profile_to)
    hooks = Watching(watch, watched, config, batches(kit, config, range(6, 12), 2, augment=False))
    with watch:
        train(watched, iter(data), config, CPU, 0, hooks)

    for step in range(1, STEPS + 1):
        for name, value in plain.logged[step].items():
            if not name.startswith("throughput/"):
                assert hooks.logged[step][name] == value, (step, name)
    for one, other in ((learner.model, watched.model), (learner.contrast, watched.contrast)):
        for name, value in one.state_dict().items():
            assert torch.equal(other.state_dict()[name], value), name
    assert torch.equal(torch.random.get_rng_state(), random[0])
    np.testing.assert_array_equal(np.random.get_state()[1], random[1])
    assert (tmp_path / "profile" / "operators.txt").is_file() is profiled
    _check_what_was_logged(run)
    epoch = -(-watch._epoch_samples // config.batch_size)  # steps
    assert 1 < epoch < STEPS
    probed = [values["step"] for values in run.history() if "probe/knn_v" in values]
    assert probed == [0, epoch, STEPS]


def _check_what_was_logged(run: Run) -> None:
    last = run.history()[-1]
    for term in ("vv", "va", "aa"):
        assert -1 <= last[f"similarity/{term}_negative_p05"] <= last[f"similarity/{term}_negative_p95"] <= 1
        assert 0 <= last[f"positives/{term}_same_label"] <= 1
        assert 0 < last[f"positives/{term}_same_label_random"] < 1
    for name in ("video", "audio", "v_vv", "v_va", "a_va", "a_aa"):
        assert 1 <= last[f"rank/{name}"] <= 16
        assert 0 <= last[f"rank/{name}_dead"] <= 1
    assert (last["probe/knn_v_n"], last["probe/knn_a_n"]) == (4, 2)


def test_a_collapse_is_said_once_and_tagged(kit, number_table):
    config = kit.toy_config()
    learner = Learner.build(config, kit.rate, 48, CPU)
    last = learner.model.project_v_va.layers[-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.ones_(last.bias)
    run = Run.start("pretrain", "collapsed")
    watch = watch_of(kit, number_table, config.model_copy(update={"rank_alarm": 1.01}), learner, run)
    hooks = Watching(watch, learner, config, batches(kit, config, range(8), 2, augment=False))
    hooks.measure(2)  # the last step of warm-up
    assert not watch._job.board.warnings
    hooks.measure(3)
    hooks.measure(4)
    [warning] = watch._job.board.warnings
    assert warning.startswith("pretrain: collapse at step 3: ")
    assert "v_va 1.00, below 1.01" in warning
    assert run._client.get_run(run.run_id).data.tags["chronav.alarm"] == warning.removeprefix("pretrain: ")


def test_probes_come_after_each_stretch_of_epochs_and_at_the_end():
    due = [step for step in range(1, 12) if probe_due(step, steps=11, batch_size=8, between=30)]
    assert due == [4, 8, 11]  # after 30, 60 and (88 < 90) at the end
