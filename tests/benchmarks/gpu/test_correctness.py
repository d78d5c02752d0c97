from __future__ import annotations

import pytest
import torch

from benchmarks.gpu import correctness
from benchmarks.gpu.correctness import BF16, SAME_PRECISION, OneStep, check, compare
from benchmarks.gpu.work import OutOfBounds


def a_step(factor: float = 1.0, turn: float = 0.0) -> OneStep:
    gradient = torch.tensor([1.0, turn], dtype=torch.float64) * factor
    names = [f"{part}.weight" for part in correctness._PARTS]
    return OneStep({"vv": 2.0 * factor, "total": 5.0}, dict.fromkeys(names, gradient))


def test_equal_steps_are_within_any_bounds():
    figures = compare("x", a_step(), a_step())
    check("x", figures, correctness.Bounds(loss=0.0, distance=1e-12, yardsticks=0.0))
    assert figures["x/loss_error/vv"] == figures["x/gradient_norm_error"] == 0
    assert figures["x/gradient_cosine/video_encoder"] == pytest.approx(1.0)


@pytest.mark.parametrize("step", [a_step(factor=1.01), a_step(turn=0.1), a_step(factor=float("nan"))])
def test_a_wrong_loss_a_wrong_gradient_or_no_number_is_out_of_bounds(step):
    with pytest.raises(OutOfBounds, match="bound"):
        check("x", compare("x", step, a_step()), SAME_PRECISION)


def test_the_yardstick_widens_the_bound_of_the_gradient_alone():
    figures = compare("x", a_step(turn=0.5), a_step())
    with pytest.raises(OutOfBounds):
        check("x", figures, BF16, yardstick=0.999)
    check("x", figures, BF16, yardstick=0.9)
    with pytest.raises(OutOfBounds):
        check("x", compare("x", a_step(factor=1.5), a_step()), BF16, yardstick=0.0)


def test_bfloat16_is_within_its_bounds_and_a_wrong_gradient_is_not(work, monkeypatch):
    part = work()
    correctness.run(part)
    figures = part.findings.figures
    assert 0 < figures["bf16/loss_error/total"] < BF16.loss  # 0 would mean that both were float32
    assert 0.9 < figures["bf16/gradient_cosine/all"] < 1
    assert 0.9 < figures["rounded/gradient_cosine/all"] < 1
    assert all(figures[f"bf16/gradient_cosine/{part}"] > 0 for part in correctness._PARTS)  # none is idle
    real = correctness.one_step

    def backwards_in_bf16(learner, batch, settings):
        step = real(learner, batch, settings)
        sign = -1 if settings.precision == "bf16" else 1
        return OneStep(step.losses, {name: sign * g for name, g in step.gradient.items()})

    monkeypatch.setattr(correctness, "one_step", backwards_in_bf16)
    with pytest.raises(OutOfBounds):
        correctness.run(work())
