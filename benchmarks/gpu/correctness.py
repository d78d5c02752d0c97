"""Does bfloat16 compute what float32 computes? One real step each: same weights, same batch, same banks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from benchmarks.gpu.learners import running_learner, trained_state
from benchmarks.gpu.settings import config
from benchmarks.gpu.work import OutOfBounds, Work
from trainer.batch import Batch
from trainer.config import PretrainConfig
from trainer.learner import Learner
from trainer.step import optimise

_NO_CLIPPING = 1e9
_SMALL_LOSS = 1.0  # a loss below this is compared absolutely
_PARTS = ("video_encoder", "audio_encoder", "project", "speed", "direction", "order")


@dataclass(frozen=True)
class Bounds:
    """How far two ways to compute one step may be apart.

    The gradient's distance is 1 - cosine. In a deep network it is the conditioning that decides what a rounding comes
    to, so its bound is relative to a yardstick: the distance that rounding the weights once brings about.
    """

    loss: float  # relative error of any term
    distance: float  # of the whole gradient, whatever the yardstick
    yardsticks: float  # and so many times the yardstick's distance


# bfloat16 keeps 8 bits, and rounds at every layer, twice. Emulated on a CPU (R(2+1)D-18, float32 with every layer's
# inputs, weights, results and gradients rounded), its distance was 1.5 to 1.8 yardsticks, its worst loss 6 % off.
BF16 = Bounds(loss=0.1, distance=0.02, yardsticks=3.0)
# One precision, another order of sums.
SAME_PRECISION = Bounds(loss=1e-3, distance=1e-3, yardsticks=0.0)


@dataclass(frozen=True)
class OneStep:
    """What one step came to: the mean of every term, and the gradient by parameter."""

    losses: dict[str, float]
    gradient: dict[str, Tensor]  # float64 on the CPU


def one_step(learner: Learner, batch: Batch, settings: PretrainConfig) -> OneStep:
    """One whole step of training, without clipping and without an update."""
    unclipped = settings.model_copy(update={"grad_clip": _NO_CLIPPING})
    optimiser, learner.optimiser = learner.optimiser, torch.optim.SGD(learner.model.parameters(), lr=0.0)
    learner.model.train()
    stepped = optimise(learner, [batch], unclipped, 0)
    learner.optimiser = optimiser
    losses = {name: float(term.mean) for name, term in stepped.terms.items()} | {"total": stepped.loss}
    parameters = learner.model.named_parameters()
    gradient = {name: p.grad.double().cpu() for name, p in parameters if p.grad is not None}
    return OneStep(losses, gradient)


def compare(name: str, one: OneStep, other: OneStep) -> dict[str, float]:
    """Relative errors of the losses of `one` to those of `other`, and cosines of gradients, as figures."""
    figures = {}
    for term, value in other.losses.items():
        figures[f"{name}/loss_error/{term}"] = abs(one.losses[term] - value) / max(abs(value), _SMALL_LOSS)
    figures[f"{name}/gradient_cosine/all"] = _cosine(one, other, list(other.gradient))
    for part in _PARTS:
        mine = [parameter for parameter in other.gradient if parameter.startswith(part)]
        figures[f"{name}/gradient_cosine/{part}"] = _cosine(one, other, mine)
    own, reference = _length(one), _length(other)
    figures[f"{name}/gradient_norm_error"] = abs(own - reference) / reference
    return figures


def check(name: str, figures: dict[str, float], bounds: Bounds, yardstick: float = 1.0) -> None:
    """Raise `OutOfBounds` where the figures of a comparison are outside its bounds; `yardstick`: its cosine."""
    prefix = f"{name}/loss_error/"
    errors = {key.removeprefix(prefix): value for key, value in figures.items() if key.startswith(prefix)}
    worst = max(errors, key=lambda term: errors[term])
    distance = 1 - figures[f"{name}/gradient_cosine/all"]
    allowed = bounds.distance + bounds.yardsticks * (1 - yardstick)
    # Written so that a figure that is not a number is out of bounds, too.
    if not (all(error <= bounds.loss for error in errors.values()) and distance <= allowed):
        raise OutOfBounds(
            f"{name}: {worst} differs by {errors[worst]:.2g} (bound {bounds.loss:g}), "
            f"the gradient's 1 - cosine is {distance:.2g} (bound {allowed:.2g})"
        )


@contextmanager
def true_float32() -> Iterator[None]:
    """Without TF32, which is on by default in convolutions: it keeps 10 bits."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def run(work: Work) -> None:
    """bfloat16 against float32, eagerly, and the yardstick: float32 with weights rounded to bfloat16."""
    amounts = work.amounts
    float32, bf16 = (config(amounts, {"precision": p, "compile": False}) for p in ("float32", "bf16"))
    work.findings.set(
        recipe=amounts.recipe,
        batch=amounts.correctness_batch,
        after_steps=amounts.settling_steps,
        bounds=asdict(BF16),
    )
    batch = comparison_batch(work, float32)
    with true_float32():
        state = trained_state(work, float32)
        reference = one_step(running_learner(work, float32, state), batch, float32)
        rounded = one_step(_rounded(running_learner(work, float32, state)), batch, float32)
        half = one_step(running_learner(work, bf16, state), batch, bf16)
    work.findings.add(compare("rounded", rounded, reference))
    figures = compare("bf16", half, reference)
    work.findings.add(figures)
    check("bf16", figures, BF16, yardstick_of(work.findings.figures))


def comparison_batch(work: Work, settings: PretrainConfig) -> Batch:
    """The clips on which two ways to compute a step are compared."""
    size = work.amounts.correctness_batch
    return work.batch(work.samples(size, settings), size, settings)


def yardstick_of(figures: Mapping[str, float | None]) -> float:
    """The yardstick's cosine among this part's figures; 0, which allows all, where it was not measured."""
    return figures.get("rounded/gradient_cosine/all") or 0.0


@torch.no_grad()
def _rounded(learner: Learner) -> Learner:
    momentum = learner.contrast.momentum
    for network in (learner.model, *([momentum] if momentum is not None else [])):
        for parameter in network.parameters():
            parameter.copy_(parameter.bfloat16())
    return learner


def _cosine(one: OneStep, other: OneStep, names: Sequence[str]) -> float:
    dot = sum(float((one.gradient[name] * other.gradient[name]).sum()) for name in names)
    lengths = [sum(float(step.gradient[name].square().sum()) for name in names) for step in (one, other)]
    return dot / max((lengths[0] * lengths[1]) ** 0.5, torch.finfo(torch.float64).tiny)


def _length(step: OneStep) -> float:
    return sum(float(g.square().sum()) for g in step.gradient.values()) ** 0.5
