"""What each piece of the method is worth on the generated world: `make verify-ablation` writes docs/ablation.md.

Pre-trains the full method, each ablation, and momentum keys in place of the model's own once a seed, each seed with a
world of its own, and compares them with the full method, paired by seed. Resumable: results are kept in the folder,
and only what is missing is run. Exit code 1 where a head of the full method is not above chance or a representation
not above random weights.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.ablation_page import Result, page
from benchmarks.ablation_run import CHANGES, FULL, result_of, trained_on
from chronav.progress import say
from trainer.switches import SWITCHES

_LONGEST_RUN_S = 480


def collect(folder: Path, seeds: Sequence[int]) -> dict[str, list[Result]]:
    """The results that are there, by switch, in the order of the page."""
    found: dict[str, list[Result]] = {}
    for switch in (FULL, *SWITCHES, *CHANGES):
        kept = [(seed, result_of(folder, seed, switch)) for seed in seeds]
        runs = [r | {"trained": trained_on(folder, seed, switch)} for seed, r in kept if r is not None]
        if runs:
            found[switch] = runs
    return found


def run_all(folder: Path, seeds: Sequence[int], jobs: int) -> bool:
    """Do what is missing, `jobs` at a time, seed by seed; whether all of it succeeded."""
    folder.mkdir(parents=True, exist_ok=True)

    def run(seed: int, switches: Sequence[str]) -> bool:
        missing = [switch for switch in switches if result_of(folder, seed, switch) is None]
        if not missing:
            return True
        call = [sys.executable, "-m", "benchmarks.ablation_run", str(folder), str(seed), *missing]
        log = folder / f"log-{seed}-{missing[0]}.txt"
        with log.open("w") as output:
            code = subprocess.run(call, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
        say(f"seed {seed} {', '.join(missing)}: {'done' if code == 0 else f'FAILED, see {log}'}")
        return code == 0

    succeeded = []
    for seed in seeds:
        succeeded.append(run(seed, [FULL]))  # by itself: it makes the world of its seed
        names = [*SWITCHES, *CHANGES]
        with ThreadPoolExecutor(max_workers=jobs) as pool:
            succeeded += pool.map(run, [seed] * jobs, [names[job::jobs] for job in range(jobs)])
    return all(succeeded)


def main() -> int:
    """Run, print, write the page; the exit code says whether everything ran and the full method learnt."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", default="runs/ablation", help="results, kept between calls")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--page", default="docs/ablation.md")
    given = parser.parse_args()
    folder = Path(given.folder).absolute()
    succeeded = run_all(folder, given.seeds, given.jobs)
    results = collect(folder, given.seeds)
    if FULL not in results:
        say("the full method did not run: there is nothing to compare with")
        return 1
    text, ok = page(results)
    slow = [r for runs in results.values() for r in runs if r["seconds"] > _LONGEST_RUN_S]
    if slow:
        say(f"{len(slow)} runs took more than {_LONGEST_RUN_S // 60} minutes")
    Path(given.page).write_text(text)
    print(text)
    return 0 if ok and succeeded and not slow else 1


if __name__ == "__main__":
    sys.exit(main())
