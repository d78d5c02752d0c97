"""Does bfloat16 compute what float32 computes? One real step each: same weights, same batch, same banks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.gpu.learners import running_learner
from benchmarks.gpu.settings import config
from benchmarks.gpu.work import OutOfBounds, Work
from trainer.batch import Batch
from trainer.config import PretrainConfig
from trainer.learner import Learner
from trainer.step import optimise

_NO_CLIPPING = 1e9
_SMALL_LOSS = 0.1  # a loss below this is compared absolutely
_PARTS = ("video_encoder", "audio_encoder", "project", "speed", "direction", "order")


@dataclass(frozen=True)
class Bounds:
    """How far two ways to compute one step may be apart."""

    loss: float  # relative error of any term
    cosine: float  # least cosine of the whole gradient


# bfloat16 keeps 8 bits: 0.4 % a rounding. Batch norm over few clips and sharp softmaxes make more of it.
BF16 = Bounds(loss=0.05, cosine=0.98)
# One precision, another order of sums.
SAME_PRECISION = Bounds(loss=1e-3, cosine=0.9999)


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


def check(name: str, figures: dict[str, float], bounds: Bounds) -> None:
    """Raise `OutOfBounds` where the figures of a comparison are outside its bounds."""
    prefix = f"{name}/loss_error/"
    errors = {key.removeprefix(prefix): value for key, value in figures.items() if key.startswith(prefix)}
    worst = max(errors, key=lambda term: errors[term])
    cosine = figures[f"{name}/gradient_cosine/all"]
    # Written so that a figure that is not a number is out of bounds, too.
    if not (errors[worst] <= bounds.loss and cosine >= bounds.cosine):
        raise OutOfBounds(
            f"{name}: {worst} differs by {errors[worst]:.2g} (bound {bounds.loss:g}), "
            f"gradient cosine {cosine:.5f} (bound {bounds.cosine:g})"
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
    """bfloat16 against float32, eagerly."""
    amounts = work.amounts
    settings = {kind: config(amounts, {"precision": kind, "compile": False}) for kind in ("float32", "bf16")}
    samples = work.samples(amounts.correctness_batch, settings["bf16"])
    batch = work.batch(samples, amounts.correctness_batch, settings["bf16"])
    work.findings.set(
        recipe=amounts.recipe, batch=amounts.correctness_batch, bound_loss=BF16.loss, bound_cosine=BF16.cosine
    )
    steps = {}
    with true_float32():
        for kind, chosen in settings.items():
            steps[kind] = one_step(
                running_learner(chosen, work.shard.sample_rate, work.device), batch, chosen
            )
    figures = compare("bf16", steps["bf16"], steps["float32"])
    work.findings.add(figures)
    check("bf16", figures, BF16)


def _cosine(one: OneStep, other: OneStep, names: Sequence[str]) -> float:
    dot = sum(float((one.gradient[name] * other.gradient[name]).sum()) for name in names)
    lengths = [sum(float(step.gradient[name].square().sum()) for name in names) for step in (one, other)]
    return dot / max((lengths[0] * lengths[1]) ** 0.5, torch.finfo(torch.float64).tiny)


def _length(step: OneStep) -> float:
    return sum(float(g.square().sum()) for g in step.gradient.values()) ** 0.5
