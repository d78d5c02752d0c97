"""Supervised weights are told by what they hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models.video import s3d

from chronav.errors import CallError
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
