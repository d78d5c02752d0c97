"""Fine-tuning on sound, the layout of ESC-50, an export for each fold: one job, end to end."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from chronav.config import build
from evaluation.bench import Bench
from evaluation.config import EvaluateConfig
from evaluation.finetune import fit as fitting
from evaluation.job import _task as measurement
from evaluation.job import evaluate
from evaluation.protocols.finetune import _contenders, _trial
from evaluation.subject import prepare
from trainer.export import WEIGHTS

FOLDS = "12345"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, kit: SimpleNamespace) -> str:
    """An export for each fold, each of other weights, which has seen all recordings but those of its own fold."""
    folder = tmp_path_factory.mktemp("a-fold")
    for k in FOLDS:
        seen = tuple(row["video_id"] for row in kit.esc50_rows() if row["splits"]["esc50/fold"] != k)
        export = Path(kit.make_export(folder / k, seen=seen))
        weights = load_file(export / WEIGHTS)
        scale = 1 + int(k) / 100
        save_file({name: value * scale for name, value in weights.items()}, export / WEIGHTS)
    return str(folder / "{fold}")


def test_an_export_a_fold_is_fine_tuned_on_sound_from_end_to_end(
    ray_local: None, esc50_table: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = build(
        EvaluateConfig,
        None,
        [
            *("clips=2", "window_s=1", "bootstrap=100", f"out={tmp_path}/out", f"cache={tmp_path}/cache"),
            *("finetune.modality=audio", "finetune.steps=25", "finetune.batch_size=16", "finetune.threads=1"),
        ],
    )
    begun: dict[str, dict[str, str]] = defaultdict(dict)
    real_fit = fitting.fit

    def noted(config: Any, trials: Any, *rest: Any) -> None:
        for trial in trials:
            begun[trial.who][trial.fold[-1]] = trial.export
        real_fit(config, trials, *rest)

    monkeypatch.setattr(fitting, "fit", noted)
    outcome = evaluate("finetune", place, esc50_table, settings, "esc10")
    assert begun["pretrained"] == {k: place.format(fold=k) for k in FOLDS}
    assert set(begun["from_scratch"]) == set(FOLDS)
    assert [fold["name"] for fold in outcome["folds"]] == [f"esc50/fold {k}" for k in FOLDS]
    assert [(fold["n_train"], fold["n_test"]) for fold in outcome["folds"]] == [(16, 4)] * 5
    without_training = {"frozen_linear", "classical", "classical_rbf", "chance", "majority_class"}
    assert set(outcome["baselines"]) == {"from_scratch"} | without_training
    assert outcome["baselines"]["classical"]["top1_video"] == 1.0
    assert outcome["metrics"]["top1_video"] > 0.8  # two tones, 25 steps; a guess has a half
    assert {"top1_video_std", "top1_video_low", "top1_clip", "top1_video_gain"} <= set(outcome["metrics"])
    assert {row["class"] for row in outcome["per_class"]} == {"red", "blue"}  # what ESC-50 marks as ESC-10
    assert np.sum(outcome["confusion"]["counts"]) == 20
    assert outcome["clips_embedded"] == 20 * 2
    assert outcome["seen_in_pretraining"] == 0
    assert [one["export"] for one in outcome["exports"]] == [place.format(fold=k) for k in FOLDS]
    assert "an export for each fold" in outcome["protocol_text"]
    assert Path(outcome["report"]).is_file()
    tuned = list((tmp_path / "cache" / "finetuned").iterdir())
    assert len(tuned) == 10 and all(file.suffix == ".safetensors" for file in tuned)
    # Each began with its own export, and its sound encoder alone was trained: none is another's.
    heads = {load_file(file)["head.weight"].numpy().tobytes() for file in tuned}
    assert len(heads) == 10
    assert {name.partition(".")[0] for file in tuned for name in load_file(file)} == {"audio_encoder", "head"}


def test_a_second_export_is_fine_tuned_beside_the_first_on_every_fold(
    esc50_table: str, place: str, tiny_export: str, tmp_path: Path
) -> None:
    settings = build(EvaluateConfig, None, ["finetune.modality=audio", f"cache={tmp_path}/cache"])
    task = measurement("finetune", tiny_export, settings, None, place)
    task.check_exports()
    bench = Bench(task, prepare(esc50_table, task, "esc10", None))
    folds = bench.subject.folds
    trials = {one.name: [_trial(bench, one, fold) for fold in folds] for one in _contenders(bench)}
    assert [trial.export for trial in trials["pretrained"]] == [tiny_export] * 5
    assert [trial.export for trial in trials["against"]] == [place.format(fold=k) for k in FOLDS]
    assert [trial.scratch for trial in trials["from_scratch"]] == [True] * 5
    each = [trial for of_one in trials.values() for trial in of_one]
    assert len({trial.file for trial in each}) == 15
    # All of a fold see the same clips in the same order, for as many steps.
    for number in range(5):
        alike = [of_one[number] for of_one in trials.values()]
        assert len({(trial.seed, trial.steps, trial.data.segments, trial.classes) for trial in alike}) == 1
