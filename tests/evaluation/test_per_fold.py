"""One export a fold: each answers for its own fold, and none for what it has seen."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from chronav.errors import CallError
from evaluation.config import EvaluateConfig
from evaluation.finetune.config import FinetuneConfig
from evaluation.job import evaluate
from evaluation.per_fold import open_exports
from evaluation.splits import Fold

TONES = {"low": 300.0, "high": 2400.0}
NOBODY = np.empty(0, np.intp)


def ids(fold: int) -> tuple[str, ...]:
    return tuple(f"{fold}-{number}-{label}" for number in range(2) for label in TONES)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory, kit: SimpleNamespace) -> str:
    """Two folds of two recordings a class."""
    rng = np.random.default_rng(0)
    rows = [
        kit.clip_row(
            name,
            dataset="esc50",
            label=name.rpartition("-")[2],
            group=f"source-{name}",
            splits={"esc50/fold": str(fold)},
            audio=kit.flac(rng, TONES[name.rpartition("-")[2]]),
            audio_valid_start_s=0.0,
            audio_valid_end_s=1.5,
        )
        for fold in (1, 2)
        for name in ids(fold)
    ]
    return kit.write_table(tmp_path_factory.mktemp("sounds") / "clips", rows)


def exports(folder: Path, kit: SimpleNamespace, seen: dict[int, int], **changes: Any) -> str:
    """`seen`: the number of an export -> the fold that it was trained on."""
    for number, fold in seen.items():
        kit.make_export(folder / f"fold-{number}" / "export", seen=ids(fold), **changes)
    return str(folder / "fold-{fold}" / "export")


def config(tmp_path: Path) -> EvaluateConfig:
    return EvaluateConfig(clips=2, bootstrap=200, out=str(tmp_path / "out"), cache=str(tmp_path / "cache"))


def refused(code: str, *args: Any) -> str:
    with pytest.raises(CallError) as caught:
        evaluate(*args)
    assert caught.value.code == code
    return str(caught.value)


def test_each_export_answers_for_its_own_fold(
    ray_local: None, sounds: str, tmp_path: Path, kit: SimpleNamespace
) -> None:
    place = exports(tmp_path, kit, {1: 2, 2: 1})
    everybody = kit.make_export(tmp_path / "one", seen=("elsewhere",))
    outcome = evaluate("audio", place, sounds, config(tmp_path), None, None, None, everybody)
    assert [fold["name"] for fold in outcome["folds"]] == ["esc50/fold 1", "esc50/fold 2"]
    assert outcome["metrics"]["top1_video"] == 1.0
    assert outcome["differences"]["against"]["top1_video"]["value"] == 0.0
    assert outcome["seen_in_pretraining"] == 0
    assert [one["export"] for one in outcome["exports"]] == [place.format(fold=n) for n in (1, 2)]
    assert outcome["export"] == place
    assert "an export for each fold" in outcome["protocol_text"]


def test_an_export_that_has_seen_the_fold_it_is_asked_about_is_refused(
    ray_local: None, sounds: str, tmp_path: Path, kit: SimpleNamespace
) -> None:
    place = exports(tmp_path, kit, {1: 2, 2: 2})
    text = refused("seen_in_pretraining", "audio", place, sounds, config(tmp_path))
    assert "4 test items" in text
    assert "--exclude esc50/fold=2" in text
    assert "esc50/fold=1" not in text  # only the fold that leaks is named
    good = exports(tmp_path / "good", kit, {1: 2, 2: 1})
    assert "esc50/fold=2" in refused(
        "seen_in_pretraining", "audio", good, sounds, config(tmp_path), None, None, None, place
    )
    one = place.format(fold=1)  # one for all folds has seen what the other fold asks
    assert "4 test items" in refused("seen_in_pretraining", "audio", one, sounds, config(tmp_path))


def test_a_fold_without_an_export_is_refused(sounds: str, tmp_path: Path, kit: SimpleNamespace) -> None:
    place = exports(tmp_path, kit, {1: 2})
    assert "esc50/fold 2" in refused("missing_export", "audio", place, sounds, config(tmp_path))
    nowhere = str(tmp_path / "none-{fold}")
    assert "none-1" in refused("missing_export", "audio", nowhere, sounds, config(tmp_path))


def test_exports_of_a_set_are_alike(tmp_path: Path, kit: SimpleNamespace) -> None:
    exports(tmp_path, kit, {1: 2})
    place = exports(tmp_path, kit, {2: 1}, changes=("audio.width=8",))
    with pytest.raises(CallError, match="audio of 1 and of 2 differ"):
        open_exports(place)


def test_retrieval_across_modalities_takes_one_export_for_all(
    sounds: str, tmp_path: Path, kit: SimpleNamespace
) -> None:
    place = exports(tmp_path, kit, {1: 2, 2: 1})
    text = refused("unfit_export", "crossmodal", place, sounds, config(tmp_path))
    assert "one export for all folds" in text


def test_fine_tuning_refuses_an_export_that_has_seen_its_fold(
    sounds: str, tmp_path: Path, kit: SimpleNamespace
) -> None:
    place = exports(tmp_path, kit, {1: 2, 2: 2})
    settings = config(tmp_path).model_copy(update={"finetune": FinetuneConfig(modality="audio")})
    text = refused("seen_in_pretraining", "finetune", place, sounds, settings)
    assert "--exclude esc50/fold=2" in text
    assert not (tmp_path / "cache").exists()


def test_folds_are_shared_out(tmp_path: Path, kit: SimpleNamespace) -> None:
    side = open_exports(exports(tmp_path, kit, {1: 2, 2: 1}))
    folds = [Fold(f"esc50/fold {n}", "", NOBODY, NOBODY, seed) for seed in (0, 1) for n in (1, 2)]
    shared = side.asked(folds)
    assert [[fold.number for fold in of] for _, of in shared] == [["1", "1"], ["2", "2"]]
    assert [export.path[-13:] for export, _ in shared] == ["fold-1/export", "fold-2/export"]
    assert side.asked(folds[:1]) == [(side.by_fold["1"], folds[:1])]
    single = open_exports(side.by_fold["1"].path)
    assert single.asked(folds) == [(single.first, folds)]
