"""What a page shows is read from the table and the kept features, without Ray."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chronav import load_export
from evaluation.bench import Bench
from evaluation.config import EvaluateConfig
from evaluation.describe import Measurement
from evaluation.embedder import ClipShape
from evaluation.pages import exhibits
from evaluation.protocols import protocol_named
from evaluation.protocols.base import Answers, Found, Measured
from evaluation.store import Store
from evaluation.subject import prepare
from evaluation.who import PRETRAINED


@pytest.fixture
def bench(colour_table: str, tiny_export: str, tmp_path: Path) -> Bench:
    """Two clips of each video, whose features are a direction for each label."""
    config = EvaluateConfig(cache=str(tmp_path))
    task = Measurement(protocol_named("linear"), load_export(tiny_export), config, 1)
    made = Bench(task, prepare(colour_table, task, None, None))
    videos = made.subject.videos
    store = Store(str(tmp_path), {}, made.subject.table, ClipShape("video", 8, 1, 16_000), 2)
    labels = sorted({video.label or "" for video in videos})
    owner = np.repeat(np.arange(len(videos)), 2)
    towards = np.eye(8, dtype=np.float32)[[labels.index(videos[i].label or "") for i in owner]]
    vectors = towards + np.random.default_rng(0).normal(size=towards.shape).astype(np.float32) * 0.05
    store.add([video.video_id for video in videos], owner, np.tile([0, 1], len(videos)), vectors)
    made.kept_at[PRETRAINED] = store.path
    return made


def answered(bench: Bench, answer: str) -> Found:
    test = bench.subject.folds[0].test
    truth = np.array([bench.subject.videos[i].label for i in test])
    return {PRETRAINED: [Measured({}, answers=Answers(test, np.full(test.size, answer), truth))]}


def test_answers_are_of_test_videos_with_their_pictures_and_sounds(bench: Bench) -> None:
    shown = exhibits.gather(bench, answered(bench, "red"), ())
    assert len(shown.answers) == 9
    for one in shown.answers:
        assert one.answer == "red"
        assert one.sheet.correct == (one.sheet.label == "red")
        assert len(one.sheet.frames) == 3
        assert one.sheet.sound
    assert shown.missing == []
    assert shown.silenced == 0


def test_the_map_has_every_video_once_and_keeps_classes_together(bench: Bench) -> None:
    drawn = exhibits.gather(bench, answered(bench, "red"), ()).map
    assert drawn is not None
    assert len(drawn.points) == drawn.videos == 21
    assert sum(point.test for point in drawn.points) == 9
    assert sum(point.wrong for point in drawn.points) == 6
    assert drawn.thumbnails
    labels = np.array([point.label for point in drawn.points])
    distance = np.linalg.norm(drawn.places["PCA"][:, None] - drawn.places["PCA"][None], axis=-1)
    assert (labels[(distance + np.eye(21) * 9).argmin(axis=1)] == labels).all()


def test_neighbours_take_the_place_of_answers(bench: Bench) -> None:
    row = {
        "query": {"video_id": "v_red_g05", "label": "red"},
        "neighbours": [{"video_id": "v_blue_g01", "label": "blue", "correct": False}],
    }
    shown = exhibits.gather(bench, answered(bench, "red"), [row])
    assert not shown.answers
    (found,) = shown.neighbours
    assert (found.query.video_id, found.query.correct) == ("v_red_g05", None)
    assert (found.neighbours[0].label, found.neighbours[0].correct) == ("blue", False)
    assert found.neighbours[0].sound


def test_sounds_have_bounded_room(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exhibits, "SOUND_ROOM", 100_000)
    shown = exhibits.gather(bench, answered(bench, "red"), ())
    kept = [one.sheet.sound for one in shown.answers if one.sheet.sound]
    assert 0 < len(kept) < 9
    assert sum(map(len, kept)) <= 100_000
    assert shown.silenced == 9 - len(kept)


def test_missing_items_are_shown(bench: Bench) -> None:
    lacking = Bench(bench.task, replace(bench.subject, missing=["v_red_gone"]))
    assert exhibits.gather(lacking, {}, ()).missing == ["v_red_gone"]


def test_nothing_measured_shows_nothing(bench: Bench) -> None:
    bare = Bench(bench.task, replace(bench.subject, folds=[]))
    shown = exhibits.gather(bare, {}, ())
    assert shown == exhibits.Exhibits()
