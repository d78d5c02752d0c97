"""The momentum model follows the online one."""

from __future__ import annotations

import pytest
import torch

from trainer.model import AudioVisualModel
from trainer.momentum import MomentumModel, momentum_at


@pytest.fixture
def pair(kit) -> tuple[AudioVisualModel, MomentumModel]:
    torch.manual_seed(0)
    model = AudioVisualModel(kit.toy_config("loss.aa=1.0"))
    return model, MomentumModel(model)


def test_parameters_are_averaged_and_norm_buffers_copied(pair):
    model, momentum = pair
    before = {name: value.clone() for name, value in momentum.state_dict().items()}
    with torch.no_grad():
        for value in model.state_dict().values():
            value.add_(2)
    momentum.follow(model, 0.75)
    parameters = {name for name, _ in momentum.named_parameters()}
    assert parameters
    assert set(before) - parameters
    online = model.state_dict()
    for name, value in momentum.state_dict().items():
        if name in parameters:
            torch.testing.assert_close(value, 0.75 * before[name] + 0.25 * online[name])
        else:
            assert torch.equal(value, online[name]), name


def test_keys_are_unit_vectors_without_gradient_and_need_no_other_modality(pair):
    _, momentum = pair
    keys = momentum(torch.rand(3, 3, 8, 16, 16), torch.randn(2, 16, 40))
    for rows, n in ((keys.v_vv, 3), (keys.v_va, 3), (keys.a_va, 2), (keys.a_aa, 2)):
        assert rows.shape == (n, 8)
        assert not rows.requires_grad
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(n))
    assert momentum(None, torch.randn(2, 16, 40)).v_vv is None
    assert momentum(torch.rand(3, 3, 8, 16, 16), None).a_va is None
    assert not any(p.requires_grad for p in momentum.parameters())


def test_momentum_goes_from_its_start_to_one_by_cosine():
    assert momentum_at(0, 100, 0.996) == pytest.approx(0.996)
    assert momentum_at(50, 100, 0.996) == pytest.approx(0.998)
    assert momentum_at(100, 100, 0.996) == pytest.approx(1.0)
    assert momentum_at(5, 0, 0.9) == pytest.approx(1.0)
