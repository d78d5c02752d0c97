"""The export: what it keeps, and what is said of a broken one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from chronav import load_export
from chronav.errors import CallError
from trainer.export import CONFIG, SEEN, WEIGHTS, ExportConfig, ExportedTable, write_export
from trainer.model import AudioVisualModel


@pytest.fixture
def export(kit, tmp_path) -> Path:
    config = kit.toy_config()
    about = ExportConfig(
        video=config.video,
        audio=config.audio,
        norm=config.norm,
        fps=16.0,
        sample_rate=3200,
        short_side=24,
        recipe="tiny",
        steps=1,
        seed=0,
        tables=(ExportedTable(path="/T", version=3, weight=0.7),),
    )
    torch.manual_seed(0)
    write_export(str(tmp_path / "export"), AudioVisualModel(config), about, {"a": "12ab", "b": None})
    return tmp_path / "export"


def test_it_knows_the_videos_that_it_has_seen_and_their_files(export):
    assert load_export(str(export)).seen_videos() == {"a": "12ab", "b": None}


def test_the_folder_of_the_run_is_not_its_export_and_the_error_says_where_that_is(export):
    with pytest.raises(CallError, match=r"there is one at '.*/export'"):
        load_export(str(export.parent))
    with pytest.raises(CallError, match=r"there is no export at '.*nowhere'$"):
        load_export(str(export / "nowhere"))


def test_it_knows_the_shares_of_its_tables_and_one_from_before_there_were_any_still_opens(export):
    assert load_export(str(export)).config.tables[0].weight == 0.7
    about = json.loads((export / CONFIG).read_text())
    del about["tables"][0]["weight"]
    (export / CONFIG).write_text(json.dumps(about))
    assert load_export(str(export)).config.tables == (ExportedTable(path="/T", version=3),)


def test_other_weights_are_other_features(export):
    opened = load_export(str(export))
    sound = torch.randn(2, 3200, generator=torch.Generator().manual_seed(0))
    twin = opened.random_twin(5)
    same = opened.with_weights(twin.weights()).embed(audio=sound).audio
    assert torch.equal(same, twin.embed(audio=sound).audio)
    assert not torch.allclose(same, opened.embed(audio=sound).audio)


def test_what_is_no_input_is_refused(export):
    opened = load_export(str(export))
    loud, broken = torch.full((1, 3200), 9000.0), torch.full((1, 3200), torch.nan)
    for given, message in (
        ({}, "embed wants video, audio or both"),
        ({"audio": loud}, "largest value is 9000 .int16: divide by 32768"),
        ({"audio": broken}, "largest value is nan"),
    ):
        with pytest.raises(CallError, match=message):
            opened.embed(**given)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def _another_width(export: Path) -> None:
    values = json.loads((export / CONFIG).read_text())
    values["video"]["width"] = 4
    (export / CONFIG).write_text(json.dumps(values))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda export: _truncate(export / WEIGHTS),
        lambda export: (export / WEIGHTS).unlink(),
        lambda export: (export / CONFIG).write_text("{not json"),
        lambda export: (export / CONFIG).write_text("{}"),
        _another_width,
    ],
    ids=["short weights", "no weights", "no JSON", "empty config", "weights that do not fit"],
)
def test_a_broken_export_is_said_to_be_broken_in_one_line(export, spoil):
    spoil(export)
    with pytest.raises(CallError) as caught:
        load_export(str(export))
    assert caught.value.code == "bad_export"
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_config_is_no_export(export):
    (export / CONFIG).unlink()
    with pytest.raises(CallError, match="no export"):
        load_export(str(export))
    assert (export / SEEN).exists()
