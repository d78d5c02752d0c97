"""Which videos of a labelled table a probe takes, and which tables it refuses."""

from __future__ import annotations

import dataclasses

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from chronav.errors import CallError
from trainer.tables import select_rows
from trainer.watch.probe_table import open_probe


def labelled(kit, labels, **changes):
    return [
        kit.row(i, seconds=2.0, label=label, group=None, splits=None) | changes
        for i, label in enumerate(labels)
    ]


@pytest.fixture
def opened(kit, number_table, tmp_path):
    """Open the rows given as a probe of a run on the number table."""

    def open_rows(rows, *overrides):
        config = kit.toy_config(*overrides)
        return open_probe(kit.write_table(tmp_path / "P", rows), config, select_rows([number_table], config))

    return open_rows


def test_without_splits_each_video_is_asked_among_all_others(kit, opened):
    rows = labelled(kit, ["run", "swim", "run", None])
    second = rows[0] | {"clip_id": "video0:1"}
    probe = opened([*rows, second])
    assert probe.split is None
    assert (len(probe.asked.label), len(probe.rows)) == (3, 4)  # the unlabelled one is left out
    assert probe.asked.query.all() and probe.asked.gallery.all()
    assert sorted(probe.asked.label.tolist()) == [0, 0, 1]
    assert "each video among all others" in str(probe)


def test_an_official_split_decides_who_is_asked(kit, opened):
    parts = ["train", "test", "train", "test", "unused"]
    rows = [
        row | {"splits": {"toy/2": "train", "toy/1": part}}
        for row, part in zip(labelled(kit, ["a", "a", "b", "b", "a"]), parts, strict=True)
    ]
    probe = opened(rows)
    assert probe.split == "toy/1"  # toy/2 has no test part
    assert (probe.asked.query.sum(), probe.asked.gallery.sum()) == (2, 2)
    assert not (probe.asked.query & probe.asked.gallery).any()


def test_at_most_probe_videos_are_taken_the_same_ones_of_a_larger_table(kit, opened, tmp_path):
    labels = ["a", "b"] * 6
    few = opened(labelled(kit, labels), "probe_videos=5")
    assert len(few.asked.label) == 5
    assert {row.video for row in few.rows} == set(range(5))


def test_only_clips_that_are_long_enough_count(kit, opened):
    rows = labelled(kit, ["a", "a", "b"])
    rows[1] |= {"n_frames": 4}  # of 8 a clip
    rows[2] |= {"audio_valid_end_s": 0.1}
    found = {(row.has_video, row.has_audio) for row in opened(rows).rows}
    assert found == {(True, True), (False, True), (True, False)}


@pytest.mark.parametrize(
    ("labels", "changes", "message"),
    [
        ([None, None], {}, "no labelled video"),
        (["a", "a"], {}, "one label only"),
        (["a", "b", "c"], {}, "no two videos"),
        (["a", "a", "b"], {"group": "one"}, "no two videos"),
        (["a", "a", "b"], {"fps": 25.0}, "25 frames/s, what is trained on at 16"),
    ],
)
def test_a_table_that_says_nothing_is_refused(kit, opened, labels, changes, message):
    with pytest.raises(CallError, match=message) as caught:
        opened(labelled(kit, labels, **changes))
    assert caught.value.key == "probe"


def test_a_table_of_something_else_is_refused(kit, number_table, tmp_path):
    write_deltalake(tmp_path / "L", pa.table({"video_id": ["a"], "label": ["b"]}))
    config = kit.toy_config()
    with pytest.raises(CallError, match="is no clip table: it has no column 'audio_valid_end_s'"):
        open_probe(str(tmp_path / "L"), config, select_rows([number_table], config))


def test_another_sample_rate_is_refused(kit, number_table, tmp_path):
    config = kit.toy_config()
    data = select_rows([number_table], config)
    data = dataclasses.replace(data, sample_rate=8000)
    path = kit.write_table(tmp_path / "P", labelled(kit, ["a", "a", "b"]))
    with pytest.raises(CallError, match=f"{kit.rate} Hz, what is trained on at 8000 Hz"):
        open_probe(path, config, data)
