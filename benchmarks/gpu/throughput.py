"""How fast a training step is: the largest batch that fits, its time, its memory, its share of the device's peak."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from benchmarks.gpu.flops import sample_flops
from benchmarks.gpu.learners import running_learner
from benchmarks.gpu.peaks import peak_flops
from benchmarks.gpu.settings import config
from benchmarks.gpu.work import Work
from trainer.config import PretrainConfig
from trainer.learner import Learner
from trainer.sample import Sample
from trainer.step import optimise

_WARM_UP = 2
_SEARCH_SHARE = 0.6  # of the part's time
DIFFERENT_SAMPLES = 64


@dataclass(frozen=True)
class Search:
    """The outcome of looking for the largest batch."""

    largest: int  # 0: not even the first fitted
    limit: str  # what ended the search


def largest_batch(
    fits: Callable[[int], str | None], first: int, cap: int, step: int, time_left: Callable[[], bool]
) -> Search:
    """The largest batch size that fits: from `first` on doubling up to `cap`, then bisecting in multiples of `step`.

    `fits` gives None where a size fits, else what stood in the way.
    """
    good, bad, limit, size = 0, 0, "", first
    while size:
        if good and not time_left():
            return Search(good, f"the time of the search, before {size} was tried")
        problem = fits(size)
        if problem is None:
            good = size
        else:
            bad, limit = size, f"{problem} at {size}"
        size = _next_size(good, bad, cap, step)
    return Search(good, limit or f"the cap of the search, {cap}")


def _next_size(good: int, bad: int, cap: int, step: int) -> int:
    """What to try next when `good` fits and `bad` (0: nothing yet) does not; 0 where nothing is left to try."""
    if not bad:
        return min(2 * good, cap) if good < cap else 0
    middle = (good + bad) // 2 // step * step
    return middle if good < middle < bad else 0


def time_steps(
    work: Work, learner: Learner, samples: Sequence[Sample], size: int, settings: PretrainConfig, count: int
) -> list[float]:
    """Seconds of `count` steps, after a warm-up, the device waited for after each."""
    batch = work.batch(samples, size, settings)
    seconds = []
    for number in range(_WARM_UP + count):
        work.synchronise()
        begun = time.perf_counter()
        optimise(learner, [batch], settings, number)
        work.synchronise()
        seconds.append(time.perf_counter() - begun)
    return seconds[_WARM_UP:]


def memory_problem(error: RuntimeError) -> str:
    """One line of why a size did not fit."""
    if isinstance(error, torch.OutOfMemoryError):
        return "out of memory"
    return " ".join(str(error).split())[:200]


def measure_at(
    work: Work, learner: Learner, samples: Sequence[Sample], size: int, settings: PretrainConfig
) -> dict[str, float | None]:
    """Figures of the step at one batch size."""
    if work.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(work.device)
    step_s = statistics.median(time_steps(work, learner, samples, size, settings, work.amounts.timed_steps))
    flops = sample_flops(settings, work.shard.sample_rate)
    rate = size / step_s
    achieved = flops.total * rate
    on_gpu = work.device.type == "cuda"
    peak = peak_flops(torch.cuda.get_device_name(work.device)) if on_gpu else None
    return {
        "batch": size,
        "step_s": step_s,
        "samples_per_s": rate,
        "video_clips_per_s": 2 * rate,
        "peak_memory_bytes": torch.cuda.max_memory_allocated(work.device) if on_gpu else None,
        "flops_per_sample": flops.total,
        "flops_per_s": achieved,
        "model_flop_utilisation": achieved / peak if peak else None,
    }


def free(work: Work, learner: Learner) -> None:
    """Give back what a step that did not fit left behind."""
    learner.optimiser.zero_grad(set_to_none=True)
    gc.collect()
    if work.device.type == "cuda":
        torch.cuda.empty_cache()


def run(work: Work) -> None:
    """Search for the largest batch, eagerly, and measure there."""
    amounts = work.amounts
    settings = config(amounts, {"compile": False})
    samples = work.samples(DIFFERENT_SAMPLES if not work.small else amounts.batch_cap, settings)
    learner = running_learner(work, settings)
    learner.model.train()
    work.findings.set(recipe=amounts.recipe, precision=settings.precision, compile=False)
    until = time.monotonic() + _SEARCH_SHARE * work.left_s

    def fits(size: int) -> str | None:
        problem = None
        try:
            time_steps(work, learner, samples, size, settings, 0)
        except RuntimeError as error:
            problem = memory_problem(error)
        # Outside of the handler: an exception holds its frames, and they hold the step's memory.
        free(work, learner)
        work.say(f"batch {size}: {problem or 'fits'}")
        return problem

    found = largest_batch(
        fits, amounts.smallest_batch, amounts.batch_cap, amounts.batch_step, lambda: time.monotonic() < until
    )
    work.findings.set(search_ended_by=found.limit)
    if not found.largest:
        raise RuntimeError(f"no batch fits: {found.limit}")
    work.findings.add(measure_at(work, learner, samples, found.largest, settings))
    if work.findings.figures["model_flop_utilisation"] is None:
        work.findings.note("the device's peak is not known: no model FLOP utilisation")
