"""Supervised weights are told by what they hold."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import resnet18
from torchvision.models.video import r3d_18, s3d

from chronav.errors import CallError
from evaluation import fill
from evaluation.config import EvaluateConfig
from evaluation.job import evaluate
from evaluation.supervised import Supervised
from trainer.augment import Canvas, apply_video, plain_video


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, torch.nn.Module]:
    torch.manual_seed(0)
    network = s3d(weights=None, num_classes=7).eval()
    path = tmp_path_factory.mktemp("weights") / "s3d.pth"
    torch.save(network.state_dict(), path)
    return str(path), network


def test_features_are_those_before_the_classifier(weights: tuple[str, torch.nn.Module]) -> None:
    path, network = weights
    supervised = Supervised(path)
    assert supervised.name == "s3d"
    clips = np.random.default_rng(0).integers(0, 256, (2, 16, 40, 50, 3), dtype=np.uint8)
    found = supervised.embed(video=clips).video
    assert found.shape == (2, 1024)
    sizes = torch.tensor([[40, 50]] * 2)
    params = torch.from_numpy(plain_video(50 / 40)).expand(2, -1)
    seen = apply_video(Canvas(torch.from_numpy(clips), sizes), params, 112)
    mean = torch.tensor([0.43216, 0.394666, 0.37645]).view(1, 3, 1, 1, 1)
    std = torch.tensor([0.22803, 0.22145, 0.216989]).view(1, 3, 1, 1, 1)
    with torch.inference_mode():
        expected = network.features((seen - mean) / std).mean(dim=(2, 3, 4))
    assert torch.allclose(found, expected, atol=1e-5)


def test_other_files_are_refused_in_a_line_that_names_the_key(tmp_path: Path) -> None:
    def refused(path: Path) -> str:
        with pytest.raises(CallError) as caught:
            Supervised(str(path))
        assert caught.value.key == "supervised"
        return str(caught.value)

    assert "there is no file" in refused(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("no weights")
    assert "is no file of weights" in refused(tmp_path / "text.pth")
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pth")
    assert "fits none of torchvision's" in refused(tmp_path / "other.pth")
    torch.save({"epoch": 3}, tmp_path / "dict.pth")
    assert "holds no plain state dict" in refused(tmp_path / "dict.pth")
    torch.save(resnet18(weights=None).state_dict(), tmp_path / "pictures.pth")
    assert "fits none of torchvision's" in refused(tmp_path / "pictures.pth")
    state = r3d_18(weights=None).state_dict()
    state["stem.0.weight"][0] = torch.nan
    torch.save(state, tmp_path / "nan.pth")
    assert "r3d_18 that are not finite" in refused(tmp_path / "nan.pth")


def test_damaged_files_are_refused_in_one_line(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    buffers = [io.BytesIO(), io.BytesIO()]
    for buffer, as_zip in zip(buffers, (True, False), strict=True):
        torch.save({"a": torch.zeros(3), "b": torch.ones(4)}, buffer, _use_new_zipfile_serialization=as_zip)
    rng, path = np.random.default_rng(0), tmp_path / "damaged.pth"
    for round_ in range(400):
        data = bytearray(buffers[round_ % 2].getvalue())
        for place in rng.integers(min(len(data), 400), size=4):
            data[place] = rng.integers(256)
        path.write_bytes(data if round_ % 4 else data[: rng.integers(len(data))])
        with pytest.raises(CallError) as caught:
            Supervised(str(path))
        assert len(str(caught.value).splitlines()) == 1
    assert not recwarn.list


def test_older_files_lack_the_counts_of_batches(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = r3d_18(weights=None).state_dict()
    torch.save(state, tmp_path / "new.pth")
    torch.save({k: v for k, v in state.items() if "num_batches" not in k}, tmp_path / "old.pth")
    clip = np.random.default_rng(0).integers(0, 256, (1, 8, 32, 40, 3), dtype=np.uint8)
    new, old = (Supervised(str(tmp_path / f"{name}.pth")) for name in ("new", "old"))
    assert new.name == old.name == "r3d_18"
    assert torch.equal(new.embed(video=clip).video, old.embed(video=clip).video)


def test_supervised_weights_stand_beside_an_export_from_end_to_end(
    ray_local: None,
    weights: tuple[str, torch.nn.Module],
    colour_table: str,
    tiny_export: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def config(path: str) -> EvaluateConfig:
        place = {"out": str(tmp_path / "out"), "cache": str(tmp_path / "cache")}
        return EvaluateConfig(clips=1, bootstrap=100, supervised=path, **place)

    outcome = evaluate("linear", tiny_export, colour_table, config(weights[0]))
    own, supervised = outcome["metrics"], outcome["baselines"]["supervised"]
    assert supervised["top1_video"] > 0.7  # three colours; even untrained, the network sees them
    assert {"top1_video_low", "top1_video_high", "top1_clip"} <= set(supervised)
    found = outcome["differences"]["supervised"]["top1_video"]
    assert found["value"] == pytest.approx(own["top1_video"] - supervised["top1_video"])
    assert "Pictures are enlarged from 32 to 112 px (supervised)." in outcome["notes"]
    page = Path(outcome["report"]).read_text()
    assert "Supervised weights (torchvision)" in page
    monkeypatch.setattr(fill, "embed_videos", _never)
    assert evaluate("retrieval", tiny_export, colour_table, config(weights[0]))["baselines"]["supervised"]

    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pth")
    before = sorted(tmp_path.rglob("*"))
    for protocol in ("linear", "retrieval"):
        with pytest.raises(CallError, match=r"'supervised': '.*other.pth' fits none of torchvision's"):
            evaluate(protocol, tiny_export, colour_table, config(str(tmp_path / "other.pth")))
    assert sorted(tmp_path.rglob("*")) == before


def _never(*_: object) -> None:
    raise AssertionError("nothing is to be embedded")
