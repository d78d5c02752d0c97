"""Does a killed ingest end with the very table of an undisturbed one? `make verify-faults` writes docs/faults.md.

A job over 200 files, killed (SIGKILL to the driver, to a worker, to the raylet of one of two nodes) at moments spread
from its first commit to its last, and called again where it does not go on by itself. Exit code 1 where a table is
not row for row that of the undisturbed run, or anything that was committed was decoded again.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from benchmarks.decode_log import LOG
from benchmarks.fault_trials import (
    COMMITS,
    FILES,
    FILES_PER_COMMIT,
    FILES_PER_TASK,
    Digests,
    Kill,
    Trial,
    clip_digests,
    decode_log_of,
    kill_driver,
    kill_raylet,
    kill_worker,
    ledger_digests,
    pace,
    run_trial,
    start,
    two_nodes,
)
from benchmarks.many_files import encode, write_many
from benchmarks.rounds import markdown
from chronav import __version__

KINDS: dict[str, Kill] = {"driver": kill_driver, "worker": kill_worker, "raylet": kill_raylet}
MOMENTS = 12
# Long enough that decoding is never far ahead of the commits: where nobody decodes there is no worker to kill.
VIDEO = ("340x256", 25, 6.0)  # size, frames a second, seconds
_ALIKE = 16  # distinct ones


def moments(rng: random.Random, count: int, commits: int) -> list[tuple[str, tuple[int, float]]]:
    """Whom to kill and when: after which commit, and after which share of the time to the next one.

    One moment in each of `count` equal parts of the job, kinds in turn, while there is more to be decoded.
    """
    kinds = list(KINDS)
    edges = [1 + (commits - 3) * k / count for k in range(count + 1)]
    return [
        (kinds[k % len(kinds)], (int(rng.uniform(edges[k], edges[k + 1])), rng.random()))
        for k in range(count)
    ]


def faults(trial: Trial, clips: Digests, ledger: Digests) -> list[str]:
    """What is wrong with how a trial ended; `clips`, `ledger`: of the undisturbed run."""
    wrong = []
    if trial.clips != clips:
        wrong.append("other clips")
    if trial.ledger != ledger:
        wrong.append("another ledger")
    if trial.again or trial.twice_of_kept:
        wrong.append("committed files were decoded again")
    due = FILES if trial.alone else FILES - len(trial.at.batches)
    if trial.decoded != due:
        wrong.append(f"decoded {trial.decoded}, not {due}")
    return wrong


def page(trials: Sequence[Trial], clips: Digests, ledger: Digests, seed: int) -> str:
    """The page as Markdown."""
    header = [
        "SIGKILL to", "after commit", "waited, of a batch", "files committed then", "went on",
        "files decoded from then on", "decodes begun twice", "orphan part files", "table and ledger, row for row",
    ]  # fmt: skip
    rows = [
        [
            trial.kind,
            f"{trial.at.commit} of {COMMITS}",
            f"{trial.phase:.2f}",
            str(len(trial.at.batches)),
            "by itself" if trial.alone else "when called again",
            str(trial.decoded - (len(trial.at.batches) if trial.alone else 0)),
            str(trial.twice),
            str(trial.orphans),
            ", ".join(faults(trial, clips, ledger)) or "as undisturbed",
        ]
        for trial in trials
    ]
    return f"""# Does a killed ingest end as if nothing had been?

Written by `make verify-faults` (`benchmarks/verify_faults.py`); do not edit by hand.

{date.today().isoformat()}, chronav {__version__}, {platform.machine()}, Python {platform.python_version()}, seed \
{seed} of the moments. {FILES} videos of {VIDEO[2]:.0f} s at {VIDEO[0]} ({_ALIKE} different ones, so \
most are marked as near duplicates), {FILES_PER_TASK} a task, {FILES_PER_COMMIT} a commit. Every trial is a \
new table. *Row for row*: the hash of every clip with its media, and of every row of the ledger, beside those of an \
undisturbed run; all but times and batch numbers.

{markdown(header, rows)}

*Driver*: the driver alone; Ray's processes end some time later, and the same command is called at once. *Worker*: a
process in which tasks run, and the one apart that decodes for it, while it does; on the job's own Ray of two workers.
*Raylet*: that of a node where a file is being decoded, one of two beside a head without tasks
(`ray.cluster_utils.Cluster`, on one machine; it is told to notice a lost node within seconds). *Waited*: how long
after a commit the kill came, as a share of the usual time from commit to commit (worker and raylet: then at the next
moment at which one decodes). *Decodes begun twice*: files, by a log that each decode writes to as it begins; none of
them had been committed before the kill. *Orphan part files*: left by tasks that were killed or whose batch was not
committed; the log does not name them and no reader opens them.
"""


def main() -> int:
    """Run, print, write the page; the exit code says whether every trial ended as the undisturbed run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    parser.add_argument("--moments", type=int, default=MOMENTS)
    parser.add_argument("--page", default="docs/faults.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chronav-faults-") as name:
        folder, source = Path(name), Path(name, "media")
        bases = [encode(folder / "base.mp4", *VIDEO, 1.5 + 0.1 * number) for number in range(_ALIKE)]
        write_many(source, bases, FILES)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        batch_s = pace(start(source, folder / "undisturbed"), folder / "undisturbed")
        clips, ledger = clip_digests(folder / "undisturbed"), ledger_digests(folder / "undisturbed")
        trials = []
        for number, (kind, moment) in enumerate(moments(random.Random(given.seed), given.moments, COMMITS)):
            table = folder / f"table{number}"
            if kind == "raylet":
                os.environ[LOG] = str(decode_log_of(table))
                with two_nodes() as address:
                    trials.append(run_trial(kind, KINDS[kind], source, table, moment, batch_s, address))
            else:
                trials.append(run_trial(kind, KINDS[kind], source, table, moment, batch_s, None))
    text = page(trials, clips, ledger, given.seed)
    Path(given.page).write_text(text)
    print(text)
    return 1 if any(faults(trial, clips, ledger) for trial in trials) else 0


if __name__ == "__main__":
    sys.exit(main())
