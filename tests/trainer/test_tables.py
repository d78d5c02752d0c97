from __future__ import annotations

import pytest

from chronav.errors import CallError
from trainer.tables import Exclusion, heldout_units, select_rows


def test_rows_are_sorted_into_training_and_held_out_by_group(kit, number_table):
    data = select_rows([number_table], kit.toy_config())
    trained = {int(v.removeprefix("video")) for v in data.train_videos}
    held = set(range(20)) - trained
    assert held
    assert len(held) == data.heldout_videos
    assert {v // 2 for v in held}.isdisjoint({v // 2 for v in trained})  # groups of two stay together
    assert (data.fps, data.sample_rate, data.short_side) == (16.0, 3200, 24)
    assert sum(len(g.rows) for g in data.train) == len(trained)


def test_an_excluded_split_is_not_used_at_all(kit, number_table):
    data = select_rows([number_table], kit.toy_config(), [Exclusion.parse("toy/1=test")])
    assert data.excluded_rows == 4
    assert not {"video0", "video5", "video10", "video15"} & set(data.train_videos)


def test_short_segments_are_counted_not_used(kit, tmp_path):
    rows = [kit.row(1, seconds=0.3), kit.row(2), kit.row(4)]
    data = select_rows([kit.write_table(tmp_path / "T", rows)], kit.toy_config())
    assert data.short_rows == 1


def test_nothing_left_is_a_wrong_call(kit, number_table):
    everything = [Exclusion("toy/1", "test"), Exclusion("toy/1", "train")]
    with pytest.raises(CallError, match="20 segments excluded"):
        select_rows([number_table], kit.toy_config(), everything)


@pytest.mark.parametrize("text", ["ucf101/1", "=test", "ucf101/1="])
def test_a_malformed_exclusion_is_a_wrong_call(text):
    with pytest.raises(CallError, match="SPLIT=NAME"):
        Exclusion.parse(text)


def test_holding_out_is_by_hash_so_that_a_growing_table_keeps_its_choice():
    small = {f"g{i}" for i in range(200)}
    held = heldout_units(small, 0.1)
    assert 5 <= len(held) <= 40
    assert heldout_units(small | {f"h{i}" for i in range(200)}, 0.1) & small == held


def test_at_least_one_unit_is_held_out_and_one_is_left():
    assert len(heldout_units({"a", "b"}, 1e-9)) == 1
    assert heldout_units({"a"}, 0.5) == set()


def test_tables_at_different_rates_are_refused(kit, tmp_path, number_table):
    other = kit.write_table(tmp_path / "T", [kit.row(1, fps=8.0), kit.row(2, fps=8.0)])
    with pytest.raises(CallError, match="frame rates"):
        select_rows([number_table, other], kit.toy_config())
