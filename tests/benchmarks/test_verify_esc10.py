"""The pure parts of the ESC-10 study: the recordings, what a run keeps out, what is kept, the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import esc10_data, esc10_page, esc10_runs, verify_esc10
from chronav.config import build
from chronav.errors import CallError
from trainer import recipes
from trainer.config import HEADS, PretrainConfig


def published(folder: Path, classes: int = 10) -> Path:
    """A folder laid out as ESC-10, of empty files."""
    for number in range(classes):
        (folder / f"{number + 1:03} - Class {number}").mkdir()
        for take in range(40):
            name = f"{take % 5 + 1}-{1000 * number + take // 2}-{'AB'[take % 2]}.ogg"
            (folder / f"{number + 1:03} - Class {number}" / name).touch()
    return folder


def test_names_and_folders_say_fold_source_and_class(tmp_path: Path) -> None:
    found = esc10_data.recordings(published(tmp_path))
    assert len(found) == 400
    row = dict(zip(esc10_data._HEADER, found[0].row(), strict=True))
    assert row["uri"] == str(tmp_path / "001 - Class 0" / "1-0-A.ogg")
    assert {row[key] for key in ("video_id", "label", "group", "fold")} == {"1-0-A", "Class 0", "0", "1"}


def test_a_part_of_esc10_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CallError, match="holds 360 of the 400 recordings"):
        esc10_data.recordings(published(tmp_path, classes=9))
    (tmp_path / "001 - Class 0" / "9-1-A.ogg").touch()
    with pytest.raises(CallError, match="not named FOLD-SOURCE-TAKE"):
        esc10_data.recordings(tmp_path)


def test_films_are_found_below_several_folders(tmp_path: Path) -> None:
    for name in ("b/x/2.avi", "a/1.mp4", "a/notes.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = esc10_data.films([tmp_path / "b", tmp_path / "a"])
    assert found == [tmp_path / "a/1.mp4", tmp_path / "b/x/2.avi"]
    with pytest.raises(CallError, match="no films"):
        esc10_data.films([tmp_path / "c"])


def test_each_run_of_sound_alone_keeps_its_fold_out_and_learns_no_video() -> None:
    found = esc10_runs.sound_runs("table")
    assert [run.exclude for run in found] == [(f"esc50/fold={fold}",) for fold in (1, 2, 3, 4, 5)]
    assert len({run.digest() for run in found}) == 5
    loss = found[0].config.loss
    heard = {head for head in HEADS if getattr(loss, head)}
    assert heard == {"speed_a", "direction_a", "order_aa"}
    assert (loss.aa, loss.va, loss.vv) == (1.0, 0.0, 0.0)
    film = esc10_runs.Wanted("film", "film", "films").config
    assert all(getattr(film.loss, head) for head in HEADS) and film.loss.va and film.loss.vv
    assert film.audio == found[0].config.audio


def test_a_run_is_told_as_the_command_line_has_it() -> None:
    text = esc10_runs.in_words("sound")
    assert text.startswith("`--recipe tiny+audio_only audio.width=16 audio.blocks=[1,1,1,1] ")
    changes = text.strip("`").split()[2:]
    defaults = recipes.get("tiny+audio_only")
    assert build(PretrainConfig, overrides=changes, defaults=defaults) == esc10_runs.sound_run(1, "t").config


def test_an_export_of_another_config_is_not_kept(tmp_path: Path) -> None:
    run = esc10_runs.sound_run(3, "table")
    assert esc10_runs.finished(tmp_path, run) is None
    export = tmp_path / "fold-3" / "export" / "config.json"
    export.parent.mkdir(parents=True)
    export.touch()
    note = {"digest": run.digest(), "seconds": 1.0}
    (tmp_path / "fold-3.json").write_text(json.dumps(note))
    assert esc10_runs.finished(tmp_path, run) == note
    assert esc10_runs.train(tmp_path, run) == note  # and nothing is trained
    (tmp_path / "fold-3.json").write_text(json.dumps(note | {"digest": "another"}))
    assert esc10_runs.finished(tmp_path, run) is None
    assert verify_esc10.result_of(tmp_path, "sound", "basis") is None
    (tmp_path / "result-sound.json").write_text(json.dumps({"basis": "basis"}))
    assert verify_esc10.result_of(tmp_path, "sound", "basis") == {"basis": "basis"}
    assert verify_esc10.result_of(tmp_path, "sound", "another") is None


def result(low: float = 0.01) -> dict[str, Any]:
    def summary(value: float) -> dict[str, float]:
        return {"top1_video": value, "top1_video_low": value - 0.05, "top1_video_high": value + 0.05}

    others = {"random_weights": 0.7, "classical": 0.75, "classical_rbf": 0.8, "chance": 0.1}
    gap = {"top1_video": {"value": 0.05, "low": low, "high": 0.09, "p": 0.02}}
    names = ("random_weights", "classical", "classical_rbf", "against")
    return {
        "metrics": summary(0.85),
        "baselines": {name: summary(value) for name, value in others.items()},
        "differences": dict.fromkeys(names, gap),
        "folds": [
            {
                "metrics": {"top1_video": value},
                "baselines": {name: {"top1_video": other} for name, other in others.items()},
            }
            for value in (0.81, 0.95, 0.83, 0.85, 0.87)
        ],
        "protocol_text": "SVM",
        "notes": ["A caveat."],
        "seconds": 60.0,
    }


def test_the_page_shows_everybody_and_says_what_came_out() -> None:
    film = result() | {"metrics": {"top1_video": 0.7}}
    run = {"train_videos": 308, "excluded_segments": 80, "steps": 300, "samples": 19_200, "seconds": 99.4}
    other = result() | {"protocol_text": "SVM with scores, C chosen somehow, scores averaged"}
    results = {"sound": result(), "film": film, "scores": other}
    text = esc10_page.page(results, {"fold-1": run}, "chronav", ["scores"])
    assert "| SVM with scores, scores averaged | 0.850 | 0.700 | +0.050 [+0.010, +0.090], p = 0.02 |" in text
    assert "**0.850**" in text and "is above the classical RBF SVM (0.800): +0.050 [+0.010, +0.090]" in text
    assert "an export a fold | 0.850 [0.800, 0.900] | 0.054 | 0.810 | 0.950 | 0.830 | 0.850 | 0.870 |" in text
    assert "| chance | 0.100 [" in text
    assert "Over folds 1, 3, 4 and 5: sound alone 0.840" in text  # without fold 2, which choices looked at
    assert "| fold-1 | 308 | 80 | 300 | 19200 | 99 |" in text
    assert "- A caveat." in text


def test_an_aim_that_was_missed_is_not_called_reached() -> None:
    missed = {"sound": result(low=-0.01), "film": result()}
    assert "cannot be told from the classical RBF SVM" in esc10_page.verdict(missed)
    assert not verify_esc10.above(missed["sound"])
    assert verify_esc10.above(missed["film"])
