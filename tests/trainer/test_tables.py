from __future__ import annotations

import pickle
from collections.abc import Iterable

import numpy as np
import pytest
from deltalake import DeltaTable

from chronav.errors import CallError
from pipelines.schema import LEDGER_SCHEMA
from trainer.scan import Exclusion, unit_hash
from trainer.tables import Source, heldout_units, select_rows


def test_rows_are_sorted_into_training_and_held_out_by_group(kit, number_table):
    data = select_rows([number_table], kit.toy_config())
    trained = {int(v.removeprefix("video")) for v in data.seen_videos()}
    held = set(range(20)) - trained
    assert held
    assert len(held) == data.heldout_videos
    assert {v // 2 for v in held}.isdisjoint({v // 2 for v in trained})  # groups of two stay together
    assert (data.fps, data.sample_rate, data.short_side) == (16.0, 3200, 24)
    assert sum(len(g.rows) for g in data.train) == len(trained)


def test_an_excluded_split_is_not_used_at_all(kit, number_table):
    data = select_rows([number_table], kit.toy_config(), [Exclusion.parse("toy/1=test")])
    assert data.excluded_rows == 4
    assert not {"video0", "video5", "video10", "video15"} & data.seen_videos().keys()


def test_short_segments_are_counted_not_used(kit, tmp_path):
    rows = [kit.row(1, seconds=0.3), kit.row(2), kit.row(4)]
    data = select_rows([kit.write_table(tmp_path / "T", rows)], kit.toy_config())
    assert data.short_rows == 1


def test_a_table_of_something_else_is_a_wrong_call(kit, tmp_path):
    path = str(tmp_path / "ledger")
    DeltaTable.create(path, LEDGER_SCHEMA)
    with pytest.raises(CallError, match="is no clip table: it has no column 'audio'") as caught:
        select_rows([path], kit.toy_config())
    assert caught.value.path == path


def test_nothing_left_is_a_wrong_call(kit, number_table):
    everything = [Exclusion("toy/1", "test"), Exclusion("toy/1", "train")]
    with pytest.raises(CallError, match="20 segments excluded"):
        select_rows([number_table], kit.toy_config(), everything)


def held(units: Iterable[str], fraction: float) -> set[str]:
    """Names of the units held out."""
    chosen = set(heldout_units(np.array([unit_hash(unit) for unit in units], np.uint32), fraction).tolist())
    return {unit for unit in units if unit_hash(unit) in chosen}


def test_holding_out_is_by_hash_so_that_a_growing_table_keeps_its_choice():
    small = {f"g{i}" for i in range(200)}
    before = held(small, 0.1)
    assert 5 <= len(before) <= 40
    assert held(small | {f"h{i}" for i in range(200)}, 0.1) & small == before


def test_at_least_one_unit_is_held_out_and_one_is_left():
    assert len(held({"a", "b"}, 1e-9)) == 1
    assert len(held({"a", "b"}, 1 - 1e-9)) == 1
    assert held({"a"}, 0.5) == set()


def test_tables_at_different_rates_are_refused(kit, tmp_path, number_table):
    other = kit.write_table(tmp_path / "T", [kit.row(1, fps=8.0), kit.row(2, fps=8.0)])
    with pytest.raises(CallError, match="frame rates"):
        select_rows([number_table, other], kit.toy_config())


def test_videos_are_listed_once_each_with_the_hash_of_their_file(kit, tmp_path):
    rows = [kit.row(i % 6, source_sha256=None if i % 6 == 5 else f"hash{i % 6}") for i in range(12)]
    data = select_rows([kit.write_table(tmp_path / "T", rows, rows_a_file=5)], kit.toy_config())
    seen = data.seen_videos()
    assert len(seen) == data.train_videos.num_rows == 6 - data.heldout_videos
    assert list(seen) == sorted(seen)
    assert all(sha == (None if v == "video5" else f"hash{v[-1]}") for v, sha in seen.items())
    assert sum(len(g.rows) for g in (*data.train, *data.heldout)) == 12


def test_weights_are_of_training_rows_alone_and_name_the_data(kit, tmp_path, number_table):
    other = kit.write_table(tmp_path / "T", [kit.row(i) for i in range(20, 28)])
    config = kit.toy_config("samples_per_row=2")
    plain = select_rows([number_table, other], config)
    mixed = select_rows([number_table, other], config, weights=(0.25, 0.75))
    assert (plain.weights, mixed.weights) == (None, (0.25, 0.75))
    assert [str(source) for source in mixed.sources] == [f"{number_table}@4=0.25", f"{other}@1=0.75"]
    assert str(Source("T", 3)) == "T@3"
    for mine, theirs in zip((*plain.train, *plain.heldout), (*mixed.train, *mixed.heldout), strict=True):
        assert (mine.group, mine.table, mine.rows.tolist()) == (
            theirs.group,
            theirs.table,
            theirs.rows.tolist(),
        )
    # What the size of memory banks goes by.
    rows = sum(len(group.rows) for group in plain.train)
    assert plain.plan(config).epoch_samples == mixed.plan(config).epoch_samples == 2 * rows
    assert mixed.plan(config).weights == (0.25, 0.75)


def test_what_is_kept_of_a_row_is_a_few_bytes(kit, tmp_path):
    """Segments of 50 videos: what a worker is sent grows by the row's number alone."""

    def sent(segments: int) -> int:
        rows = [kit.row(i % 50, seconds=1.0, sound=False, frames=[b""] * 16) for i in range(segments)]
        table = kit.write_table(tmp_path / f"T{segments}", rows, rows_a_file=segments)
        return len(pickle.dumps(select_rows([table], kit.toy_config())))

    assert sent(2100) - sent(100) < 2000 * 8
