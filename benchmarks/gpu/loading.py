"""How many samples a second this machine's cores decode: what a training step would have to wait for."""

from __future__ import annotations

import time

from benchmarks.gpu.loader import Loader
from benchmarks.gpu.machine import cores
from benchmarks.gpu.settings import config
from benchmarks.gpu.work import Work


def run(work: Work) -> None:
    """Batches from first to last, with nothing else to do; the start of the processes counts by itself."""
    amounts = work.amounts
    settings = config(amounts, {"batch_size": amounts.loader_batch})
    workers = amounts.loader_workers or cores()
    work.findings.set(recipe=amounts.recipe, batch=amounts.loader_batch, processes=workers)
    begun = time.monotonic()
    with Loader(work.shard, settings, workers) as loader:
        batches = loader.batches()
        next(batches)
        started = time.monotonic()
        seconds = min(amounts.loader_s, work.left_s / 2)
        count = 0
        while time.monotonic() - started < seconds:
            next(batches)
            count += 1
        elapsed = time.monotonic() - started
    rate = count * settings.batch_size / elapsed
    work.findings.add(
        {
            "samples_per_s": rate,
            "samples_per_s_and_process": rate / workers,
            "video_frames_per_s": rate * 2 * settings.video.n_frames,
            "first_batch_s": started - begun,
        }
    )
