from __future__ import annotations

import pytest

from chronav.errors import CallError
from pipelines.table import open_table, row_groups
from trainer.scan import Exclusion, Scan, unit_hash


@pytest.mark.parametrize("text", ["ucf101/1", "=test", "ucf101/1="])
def test_a_malformed_exclusion_is_a_wrong_call(text):
    with pytest.raises(CallError, match="SPLIT=NAME"):
        Exclusion.parse(text)


def test_a_row_group_keeps_its_usable_rows_and_what_they_are_held_out_by(kit, tmp_path):
    rows = [kit.row(5), kit.row(1, seconds=0.3), kit.row(2), kit.row(3, group=None)]
    (group,) = row_groups(open_table(kit.write_table(tmp_path / "T", rows)))
    scan = Scan(kit.toy_config(), [Exclusion("toy/1", "test"), Exclusion("toy/1", "other")])
    scan.add(group, table=7)
    (kept,) = scan.groups
    assert (kept.group, kept.table, kept.rows.tolist()) == (group, 7, [2, 3])
    assert kept.units.tolist() == [unit_hash("group1"), unit_hash("video3")]
    assert kept.videos.to_pylist() == ["video2", "video3"]
    assert (scan.excluded, scan.short) == (1, 1)
    assert scan.unmatched() == [Exclusion("toy/1", "other")]
    assert (scan.common_fps(), scan.short_side, scan.sample_rate()) == (kit.fps, 24, kit.rate)


def test_a_row_group_without_a_usable_row_is_not_kept(kit, tmp_path):
    (group,) = row_groups(open_table(kit.write_table(tmp_path / "T", [kit.row(5)])))
    scan = Scan(kit.toy_config(), [Exclusion("toy/1", "test")])
    scan.add(group, table=0)
    assert (scan.groups, scan.common_fps(), scan.sample_rate()) == ([], 0.0, 0)
