"""What the table of `benchmarks.ingest` is made of, and the files that the proofs are about."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from benchmarks.contest import Cost
from benchmarks.ingest import MORE, ONE_FILE, Contest, count_rows, flatness, section, verdict
from benchmarks.ingest_paths import FFMPEG_FLOOR, FLOOR, OURS, OURS_TASKS, TWO
from benchmarks.many_files import numbered, tiny_bases, write_many
from pipelines.config import IngestConfig
from pipelines.decode import decode_file
from pipelines.schema import Status
from pipelines.sources.base import SourceItem


def cost(cpu_s: float, wall_s: float = 1.0, files: int = 10) -> Cost:
    return Cost(files, cpu_s, wall_s, 0.0)


@pytest.fixture
def contest() -> Contest:
    costs = {
        FLOOR: [cost(1.0), cost(2.0)],
        FFMPEG_FLOOR: [cost(1.1)] * 2,
        OURS_TASKS: [cost(1.2)] * 2,
        OURS: [cost(3.8, 11.0), cost(3.8, 11.0)],
        TWO: [cost(3.8, 6.5), cost(3.8, 6.5)],
        "peer": [cost(4.0)] * 2,
        "slow peer": [cost(9.0)] * 2,
        ONE_FILE: [cost(2.0, 2.0)] * 2,
    }
    return Contest("files", files=10, media_s=100.0, costs=costs)


def test_a_further_file_is_what_a_job_of_one_does_not_cost(contest: Contest) -> None:
    assert contest.per_media_s(MORE) == pytest.approx([0.02, 0.02])  # (3.8 - 2.0) * 10 / 9 of 100 s
    assert contest.to_floor(MORE) == pytest.approx([2.0, 1.0])
    assert contest.two_to_one() == pytest.approx([2.0, 2.0])


def test_the_verdict_names_the_fastest_peer_with_a_jobs_own_cost_and_without(contest: Contest) -> None:
    assert verdict(contest).splitlines() == [
        "All-in 2.85 of the floor (missed), 1.05 times as fast as peer, the fastest peer; "
        "two workers 1.69 (1.69 to 1.69) times one.",
        "Without the job's own cost 1.50 of the floor (missed), 2.00 times as fast as peer, the fastest peer; "
        "two workers 2.00 (2.00 to 2.00) times one (goals: 1.35 of the floor all-in, two workers 1.8).",
    ]
    rows = {row[0]: row[1:] for row in contest.rows()}
    assert rows[FLOOR] == ["15.0 (10.0 to 20.0)", "1.00 (1.00 to 1.00)", "100 (100 to 100)"]
    assert rows[MORE][0] == "20.0 (20.0 to 20.0)"
    assert ONE_FILE not in rows


def test_the_cost_of_a_file_with_and_without_that_of_a_job() -> None:
    costs = {
        (OURS, 1): cost(2.0),
        (OURS, 101): cost(3.0, 2.0),
        (OURS, 1001): cost(12.0, 11.0),
        (TWO, 1001): cost(12.0, 6.0),
    }
    assert count_rows(costs) == [
        [OURS, "101", "29.7", "10.0", "50", "100"],
        [OURS, "1,001", "12.0", "10.0", "91", "100"],
        [TWO, "1,001", "12.0", "10.0", "167", "200"],
    ]
    assert flatness(costs) == (
        "From 101 to 1,001 files the CPU time a file becomes 0.40 times as much all-in, "
        "1.00 times without that of a job of one file (flat: 1)."
    )
    lines = section([], costs, "").splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1


def test_many_files_are_distinct_and_decode(tmp_path: Path) -> None:
    bases = tiny_bases(tmp_path / "bases", 2)
    paths = write_many(tmp_path / "many", bases, 5)
    assert len({hashlib.sha256(path.read_bytes()).digest() for path in paths}) == 5
    assert len(numbered(b"", 7)) == 24
    for path in paths[:3]:
        result = decode_file(SourceItem(str(path), path.stat().st_size, 0.0, "v", "folder"), IngestConfig())
        assert (result.status, result.reason) == (Status.OK, None)
        (row,) = result.rows
        assert row["n_frames"] == 16 and row["audio"] is not None
