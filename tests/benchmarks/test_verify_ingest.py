"""What the proofs about killed, repeated and endless ingests conclude from what they see."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import decode_log
from benchmarks.fault_trials import COMMITS, FILES, Snapshot, Trial, clip_digests, orphans, snapshot
from benchmarks.verify_faults import KINDS, faults, moments
from benchmarks.verify_incremental import Call, Step, beyond_ray, write_sounds
from benchmarks.verify_soak import LIMIT_KIB, lay_line
from pipelines.commit import Batch, ClipTable
from pipelines.config import IngestConfig
from pipelines.schema import CLIP_SCHEMA
from pipelines.sources.base import SourceItem
from pipelines.writer import Part, PartWriter


def test_moments_are_spread_over_the_job_and_kinds_take_turns() -> None:
    found = moments(random.Random(3), 12, 20)
    assert [kind for kind, _ in found] == list(KINDS) * 4
    commits = [commit for _, (commit, _) in found]
    assert commits == sorted(commits)
    assert 1 <= commits[0] <= 2
    assert 16 <= commits[-1] < 18
    phases = [phase for _, (_, phase) in found]
    assert min(phases) < 0.3 and max(phases) > 0.7


TRIAL = Trial(
    "driver", 0.5, Snapshot(5, dict.fromkeys(map(str, range(50)), "a")), False, FILES - 50, 1.0,
    {"c": "1"}, {"f": "2"}, again=0, twice=4, twice_of_kept=0, orphans=3,
)  # fmt: skip


def test_a_trial_that_ended_well_has_no_faults() -> None:
    assert faults(TRIAL, {"c": "1"}, {"f": "2"}) == []
    assert faults(replace(TRIAL, alone=True, decoded=FILES), {"c": "1"}, {"f": "2"}) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"clips": {"c": "x"}}, "other clips"),
        ({"ledger": {}}, "another ledger"),
        ({"again": 1}, "committed files were decoded again"),
        ({"twice_of_kept": 1}, "committed files were decoded again"),
        ({"decoded": FILES}, f"decoded {FILES}, not {FILES - 50}"),
    ],
)
def test_each_fault_is_seen(change: dict[str, Any], fault: str) -> None:
    assert faults(replace(TRIAL, **change), {"c": "1"}, {"f": "2"}) == [fault]


def write_part(table: ClipTable, video: str, media: bytes) -> Part:
    row = dict.fromkeys(CLIP_SCHEMA.names) | {
        "clip_id": f"{video}:0", "video_id": video, "splits": [], "frames": [media], "source_uri": video,
        "batch_id": "b",
    }  # fmt: skip
    with PartWriter(table.path) as writer:
        writer.add([row])
    assert writer.part is not None
    return writer.part


def test_a_table_is_told_by_its_rows_and_orphans_by_the_log(tmp_path: Path) -> None:
    tables = []
    for name, media in (("one", b"x"), ("two", b"x"), ("other", b"y")):
        table = ClipTable(str(tmp_path / name), IngestConfig())
        table.commit(Batch("b", [write_part(table, "v", media)]), set(), True, "none")
        tables.append(Path(table.path))
    one, two, other = map(clip_digests, tables)
    assert one == two != other
    assert orphans(tables[0]) == []
    part = write_part(ClipTable(str(tables[0]), IngestConfig()), "w", b"z")
    (tables[0] / "part-broken.parquet").write_bytes(b"PAR1")
    assert orphans(tables[0]) == sorted([part.name, "part-broken.parquet"])
    assert clip_digests(tables[0]) == two
    assert snapshot(tables[0]) == Snapshot(1, {"v": "b"})
    assert COMMITS > 1


def test_each_decode_is_noted_as_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(decode_log.LOG, str(tmp_path / "log"))
    for name in ("a", "b", "a"):  # files that are not there: what counts is that it was tried
        decode_log.decode_file(SourceItem(str(tmp_path / name), 1, 0.0, name, "folder"), IngestConfig())
    assert decode_log.decodes(tmp_path / "log") == {str(tmp_path / "a"): 2, str(tmp_path / "b"): 1}
    assert decode_log.latest(tmp_path / "log") == (3, os.getpid())
    assert decode_log.latest(tmp_path / "none") == (0, 0)


def test_a_line_tells_growth_from_noise() -> None:
    rng = np.random.default_rng(0)
    decodes = np.arange(500.0, 3000, 10)
    flat = lay_line(decodes.tolist(), (90_000 + rng.normal(0, 100, len(decodes))).tolist())
    assert flat.flat and flat.slope - flat.half < 0 < flat.slope + flat.half
    growing = lay_line(decodes.tolist(), (90_000 + 2 * LIMIT_KIB * decodes).tolist())
    assert growing.slope == pytest.approx(2 * LIMIT_KIB)
    assert not growing.flat


def test_a_step_says_what_it_did_beside_its_own_work() -> None:
    call = Call(0, {"new": 0, "decoded": 1}, wall_s=7.0, cpu_s=3.0)
    step = Step("nothing new", call, {"new": 0, "decoded": 0}, code=2)
    assert step.wrong == ["decoded is 1, not 0", "exit code 0"]
    assert Step("nothing new", call, {"new": 0}).wrong == []
    assert beyond_ray([step, Step("one added", replace(call, wall_s=50.0))], [4.0, 5.0, 6.0]) == 2.0


def test_sounds_are_distinct(tmp_path: Path) -> None:
    paths = write_sounds(tmp_path, range(999, 1002))
    assert [path.parent.name for path in paths] == ["000", "001", "001"]
    assert len({path.read_bytes() for path in paths}) == 3
