from __future__ import annotations

import pytest

from chronav.errors import CallError
from trainer import preflight
from trainer.scan import Exclusion
from trainer.tables import select_rows


@pytest.mark.parametrize(
    ("videos", "weights", "message"),
    [
        ((21, 22, 23, 24), (1, 1e-9), "weight 1e-09 of table '.*T' is too small for one segment an epoch"),
        ((25, 30), (1, 1), "weight 1 of table '.*T' finds no segment to train on"),  # all are excluded
    ],
)
def test_a_weight_that_comes_to_nothing_is_refused(kit, number_table, tmp_path, videos, weights, message):
    other = kit.write_table(tmp_path / "T", [kit.row(i) for i in videos])
    config = kit.toy_config()
    data = select_rows([number_table, other], config, [Exclusion("toy/1", "test")], weights)
    with pytest.raises(CallError, match=message) as caught:
        preflight.check(data, config)
    assert (caught.value.code, caught.value.key) == ("bad_value", "table")


def test_what_weights_come_to_is_said(kit, number_table, tmp_path, capsys):
    other = kit.write_table(tmp_path / "T", [kit.row(i) for i in range(21, 29)])
    config = kit.toy_config()
    data = select_rows([number_table, other], config, weights=(1, 1))
    preflight.check(data, config)
    own = sum(len(group.rows) for group in data.train if group.table == 1)
    total = sum(len(group.rows) for group in data.train)
    share = total // 2  # of equal remainders the first table's is rounded up
    said = capsys.readouterr().err
    assert f"{share / total:.1%} of an epoch from {other}: its {own} segments {share / own:.3g} times" in said


@pytest.mark.parametrize(
    ("overrides", "gpus", "said"),
    [
        (["workers=2"], 2, True),
        (["workers=2"], 1, False),  # on CPUs there is nothing better to offer
        (["workers=1"], 2, False),
        (["workers=2", "norm=group"], 2, False),
    ],
)
def test_batch_norm_apart_on_several_gpus_is_said(kit, capsys, overrides, gpus, said):
    preflight.say_norm(kit.toy_config(*overrides), gpus)
    assert ("norm=sync_batch exchanges them" in "".join(capsys.readouterr())) == said


@pytest.mark.parametrize(
    ("encoder", "gpus", "said"),
    [("r2plus1d_18", 0, True), ("r2plus1d_18", 1, False), ("r2plus1d_small", 0, False)],
)
def test_large_networks_on_a_cpu_are_said(kit, capsys, encoder, gpus, said):
    preflight.say_device(kit.toy_config(f"video.encoder={encoder}"), gpus)
    assert ("--recipe tiny is made for CPUs" in "".join(capsys.readouterr())) == said
