"""What `torch.compile` of the encoders changes: time, memory, and, within rounding, nothing else."""

from __future__ import annotations

import os
import shutil
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.gpu.correctness import (
    BF16,
    SAME_PRECISION,
    check,
    compare,
    one_step,
    true_float32,
    yardstick_of,
)
from benchmarks.gpu.learners import State, running_learner, trained_state
from benchmarks.gpu.settings import config
from benchmarks.gpu.throughput import DIFFERENT_SAMPLES, free, measure_at
from benchmarks.gpu.work import SkipPart, Work
from trainer.learner import Learner
from trainer.sample import Sample

_PROMISING = 1.1  # a batch larger by this factor is worth compiling for
_AGAIN = 1.3  # compiling again is taken to last as long as the first time, and a little more
_MEMORY_SHARE = 0.92  # of the device's memory, for the batch that is tried on the word of a smaller one


def run(work: Work) -> None:
    """At the eager run's largest batch; then, as time allows, in float32, and at the batch that memory promises."""
    if work.device.type == "cpu":
        raise SkipPart("compiling for a CPU takes minutes, and says nothing of a GPU")
    measure(work)


def measure(work: Work) -> None:
    """The part, whatever the device."""
    if not _can_compile():
        raise SkipPart("torch.compile needs a C compiler and Python's headers, which this machine lacks")
    size = int(work.earlier.get("throughput", {}).get("batch") or 0)
    if not size:
        raise SkipPart("the part `throughput` found no batch that fits")
    settings = config(work.amounts, {"compile": True})
    work.findings.set(recipe=work.amounts.recipe, precision=settings.precision, compile=True)
    samples = work.samples(min(size, DIFFERENT_SAMPLES), settings)
    begun = time.monotonic()
    state = trained_state(work, config(work.amounts, {"precision": "float32", "compile": False}))
    size = _at_largest(work, state, samples, size)
    once = _AGAIN * (time.monotonic() - begun)
    _in_float32(work, state, samples, once)
    _at_promised(work, samples, size, once)


def _can_compile() -> bool:
    compiler = any(shutil.which(name) for name in (os.environ.get("CC") or "cc", "gcc", "clang"))
    return compiler and (Path(sysconfig.get_path("include")) / "Python.h").is_file()


def _at_largest(work: Work, state: State, samples: Sequence[Sample], size: int) -> int:
    """Compare and measure at `size`, or, where that does not fit, at the next smaller that does; the size."""
    while True:
        work.say(f"compiling for batch {size}")
        try:
            learner = _compared(work, state, samples, size, config(work.amounts).precision, "compiled")
            work.findings.add(
                measure_at(work, learner, samples, size, config(work.amounts, {"compile": True}))
            )
            return size
        except torch.OutOfMemoryError:
            if size <= work.amounts.batch_step:
                raise
        work.findings.note(f"compiled, batch {size} does not fit")
        size -= work.amounts.batch_step
        torch._dynamo.reset()  # batches of a second size would be compiled for sizes of any kind


def _compared(
    work: Work, state: State, samples: Sequence[Sample], size: int, precision: str, name: str
) -> Learner:
    """One step eagerly and one compiled, compared; the compiled learner."""
    settings = {
        kind: config(work.amounts, {"precision": precision, "compile": kind}) for kind in (False, True)
    }
    batch = work.batch(samples, size, settings[False])
    learner = running_learner(work, settings[False], state)
    eager = one_step(learner, batch, settings[False])
    free(work, learner)
    learner = running_learner(work, settings[True], state)
    begun = time.monotonic()
    compiled = one_step(learner, batch, settings[True])
    seconds = time.monotonic() - begun
    figures = compare(name, compiled, eager)
    work.findings.add(figures | {f"{name}/first_step_s": seconds})
    bounds = BF16 if precision == "bf16" else SAME_PRECISION
    check(name, figures, bounds, yardstick_of(work.earlier.get("correctness", {})))
    return learner


def _in_float32(work: Work, state: State, samples: Sequence[Sample], needed_s: float) -> None:
    """The same comparison where rounding hides little."""
    if work.left_s < needed_s:
        work.findings.note(
            f"compiled against eager in float32 not compared: {work.left_s:.0f} s left, {needed_s:.0f} s needed"
        )
        return
    torch._dynamo.reset()
    size = work.amounts.correctness_batch
    work.say(f"compiling for batch {size} in float32")
    with true_float32():
        free(work, _compared(work, state, samples, size, "float32", "compiled_float32"))


def _at_promised(work: Work, samples: Sequence[Sample], size: int, needed_s: float) -> None:
    """Compilation saves memory: the batch that would then fit, measured if time allows."""
    peak = work.findings.figures.get("peak_memory_bytes")
    if peak is None:
        return
    step = work.amounts.batch_step
    total = torch.cuda.get_device_properties(work.device).total_memory
    promised = int(_MEMORY_SHARE * total / peak * size) // step * step
    work.findings.add({"promised_batch": promised})
    if promised < _PROMISING * size:
        return
    if work.left_s < needed_s:
        work.findings.note(
            f"compiled, batch {promised} should fit; not tried: {work.left_s:.0f} s left, {needed_s:.0f} s needed"
        )
        return
    torch._dynamo.reset()
    work.say(f"compiling for batch {promised}")
    settings = config(work.amounts, {"compile": True})
    learner = running_learner(work, settings)
    try:
        figures = measure_at(work, learner, samples, promised, settings)
    except torch.OutOfMemoryError:
        work.findings.note(f"compiled, batch {promised} does not fit")
        return
    work.findings.add({f"promised/{name}": value for name, value in figures.items()})
