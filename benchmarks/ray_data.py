"""A job of equal tasks in Ray Data, as it is and as chronav runs it: `python -m benchmarks.ray_data`.

Tasks that only sleep, on a private Ray of some CPUs (which need not be there): what is beyond the time of the tasks
themselves is what Ray Data leaves idle.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from benchmarks.ingest_paths import one_ray
from benchmarks.rounds import PAGE, heading, markdown, spread, write_section
from chronav.cluster import fitted_ray_data

_CPUS, _TASKS_A_CPU, _TASK_S = 8, 8, 0.4
_NOTES = """{tasks} tasks that sleep {task_s} s each, on a private Ray of {cpus} CPUs: {least:.1f} s where no CPU
waits. Median (range) of {rounds} jobs, after one to start the workers. *Until two run*: from the call to the start of
the second worker's first task."""


def job(around: AbstractContextManager[None]) -> tuple[float, float]:
    """Seconds of a job whose data set is made in `around`, and seconds until a second worker has begun."""
    import ray.data

    begun = time.time()
    with around:
        items = ray.data.from_items(
            list(range(_CPUS * _TASKS_A_CPU)), override_num_blocks=_CPUS * _TASKS_A_CPU
        )
        made = items.map(_sleep)
    rows = list(made.iter_rows())
    first: dict[int, float] = {}
    for row in rows:
        first[row["worker"]] = min(row["begun"], first.get(row["worker"], row["begun"]))
    return time.time() - begun, sorted(first.values())[1] - begun


def _sleep(row: dict[str, Any]) -> dict[str, Any]:
    import os

    begun = time.time()
    time.sleep(_TASK_S)
    return {"worker": os.getpid(), "begun": begun}


def main() -> None:
    """Run, print, and write the page's section where `--page` is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--page", nargs="?", const=PAGE, help=f"write the section of this page ({PAGE})")
    given = parser.parse_args()
    ways: dict[str, Callable[[], AbstractContextManager[None]]] = {
        "Ray Data as it is": nullcontext,
        "as chronav runs it": fitted_ray_data,
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    with one_ray(_CPUS):
        job(nullcontext())
        for _ in range(given.rounds):
            for name, around in ways.items():
                found[name].append(job(around()))
    rows = [
        [name, spread([total for total, _ in of], 2), spread([second for _, second in of], 2)]
        for name, of in found.items()
    ]
    medians = [statistics.median(total for total, _ in of) for of in found.values()]
    head = heading(
        f"Ray Data, a job of one operation: {medians[0]:.1f} s as it is, {medians[1]:.1f} s as chronav runs it",
        "python -m benchmarks.ray_data --page",
    )
    notes = _NOTES.format(
        tasks=_CPUS * _TASKS_A_CPU,
        task_s=_TASK_S,
        cpus=_CPUS,
        least=_TASKS_A_CPU * _TASK_S,
        rounds=given.rounds,
    )
    text = f"{head}\n\n{notes}\n\n{markdown(['data set', 'seconds', 'until two run'], rows)}"
    print(text)
    if given.page:
        write_section(given.page, "ray_data", text)


if __name__ == "__main__":
    main()
