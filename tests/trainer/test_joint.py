"""The space that video and sound share, as an export keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from chronav import load_export
from chronav.errors import CallError
from trainer.export import ExportConfig, ExportedTable, write_export
from trainer.joint import JOINT
from trainer.model import AudioVisualModel


def written(kit, path: Path, joint: bool = True) -> AudioVisualModel:
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
        tables=(ExportedTable(path="/T", version=3),),
    )
    torch.manual_seed(0)
    model = AudioVisualModel(config).eval()
    write_export(str(path), model, about, {}, joint)
    return model


def test_projections_are_those_of_the_model(kit, tmp_path: Path) -> None:
    model = written(kit, tmp_path)
    export = load_export(str(tmp_path))
    space = export.joint_space()
    assert space is not None
    for modality, project in (("video", model.project_v_va), ("audio", model.project_a_va)):
        features = torch.randn(5, project.layers[0].in_features)
        found = space.project(modality, features)
        assert torch.allclose(found, project(features))
        assert found.norm(dim=1) == pytest.approx([1.0] * 5, abs=1e-5)


def test_exports_without_projections_open_and_say_so(kit, tmp_path: Path) -> None:
    written(kit, tmp_path, joint=False)
    assert load_export(str(tmp_path)).joint_space() is None


def test_broken_projections_are_told(kit, tmp_path: Path) -> None:
    written(kit, tmp_path)
    (tmp_path / JOINT).write_bytes((tmp_path / JOINT).read_bytes()[:100])
    with pytest.raises(CallError, match=r"projections of the export .* are broken"):
        load_export(str(tmp_path)).joint_space()


def test_a_twin_has_the_sizes_and_other_weights_and_is_settled(kit, tmp_path: Path) -> None:
    written(kit, tmp_path)
    export = load_export(str(tmp_path))
    space = export.joint_space()
    assert space is not None
    twin, same = (space.twin(3, export.config.norm) for _ in range(2))
    features = torch.randn(64, space.project_v_va.layers[0].in_features) + 4
    assert torch.equal(twin.project("video", features), same.project("video", features))
    assert not torch.allclose(twin.project("video", features), space.project("video", features))
    same.settle("video", features)
    hidden = same.project_v_va.layers[:2](features).detach()
    assert hidden.mean(dim=0).abs().max() < 1e-4
    assert hidden.var(dim=0) == pytest.approx(1.0, abs=0.05)


def test_the_digest_tells_weights_apart(kit, tmp_path: Path) -> None:
    written(kit, tmp_path / "a")
    written(kit, tmp_path / "b")
    same, other = load_export(str(tmp_path / "a")), load_export(str(tmp_path / "b"))
    assert same.digest() == other.digest()
    assert same.random_twin(1).digest() != same.digest()
