"""An ingest killed at every step at which it writes, and run again: on made-up media, without Ray and decoders."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from deltalake.table import TableAlterer, TableMerger

from chronav import storage
from pipelines import lease
from pipelines import ledger as ledgers
from pipelines.config import IngestConfig
from pipelines.job import ingest
from pipelines.options import Options
from pipelines.schema import ANNOTATION_COLUMNS
from pipelines.table import open_table, read_meta, read_row_group, row_groups, stored_config, table_exists

CONFIG = IngestConfig(fps=8.0, files_per_task=1, files_per_commit=2)
OTHER = CONFIG.model_copy(update={"fps": 4.0})
ROOT = Path(__file__).parents[2]


class Killed(BaseException):
    pass


class Killer:
    """Ends the job in place of its `at`th write; counts these, and the files that are decoded."""

    def __init__(self) -> None:
        self.at = self.writes = self.decoded = 0

    def count(self, decode: Callable) -> Callable:
        def counted(*args: Any) -> Any:
            result = decode(*args)
            self.decoded += not result.unchanged
            return result

        return counted

    def watch(self, write: Callable) -> Callable:
        def watched(*args: Any, **kwargs: Any) -> Any:
            self.writes += 1
            if self.writes == self.at:
                raise Killed
            return write(*args, **kwargs)

        return watched


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch, no_ray: None) -> Killer:
    killer = Killer()
    places = [
        (DeltaTable, "create_write_transaction"),
        (TableMerger, "execute"),
        (TableAlterer, "set_table_properties"),
        (ledgers, "write_deltalake"),
        (storage, "remove"),
    ]
    for owner, name in places:
        monkeypatch.setattr(owner, name, killer.watch(getattr(owner, name)))
    monkeypatch.setattr(DeltaTable, "create", killer.watch(DeltaTable.create))
    monkeypatch.setattr(
        lease, "SILENT_S", 0.2
    )  # killed before it gave the lease back, by a process that lives on
    return killer


def content(table: str) -> dict[str, list]:
    """Every clip's media and annotations; no clip is there twice."""
    if not table_exists(table):
        return {}
    rows = [
        row
        for group in row_groups(open_table(table))
        for row in read_row_group(group, ["clip_id", "frames", "audio", *ANNOTATION_COLUMNS]).to_pylist()
    ]
    assert len({row["clip_id"] for row in rows}) == len(rows)
    annotated = {row["clip_id"]: [row[name] for name in ANNOTATION_COLUMNS] for row in rows}
    return {row["clip_id"]: [row["audio"], *row["frames"], *annotated[row["clip_id"]]] for row in rows}


def ledger(table: str) -> dict[str, tuple]:
    """What the ledger says of every file; no file is there twice."""
    if not table_exists(f"{table}.ledger"):
        return {}
    columns = (
        "source_uri", "size", "mtime", "source_sha256", "status", "reason", "annotations_hash", "clips", "config_hash"
    )  # fmt: skip
    rows = read_meta(open_table(f"{table}.ledger"), columns).to_pylist()
    assert len({row["source_uri"] for row in rows}) == len(rows)
    return {row["source_uri"]: tuple(row.values())[1:] for row in rows}


def check_invariants(table: str, contents: list[dict[str, list]]) -> None:
    """What holds at any time, `contents` being what the table held before and what it is to hold."""
    seen = content(table)
    videos = {clip.partition(":")[0] for clip in seen}
    for video in videos:
        clips = {clip: media for clip, media in seen.items() if clip.startswith(f"{video}:")}
        wholes = [{c: m for c, m in whole.items() if c.startswith(f"{video}:")} for whole in contents]
        assert clips in wholes, "a video is there as before, or as it is to be, or not at all"
    for uri, (*_, clips, _hash) in ledger(table).items():
        name = Path(uri).name
        held = sum(clip.startswith(f"media/{name}:") for clip in seen)
        whole = [sum(clip.startswith(f"media/{name}:") for clip in each) for each in contents]
        assert held == clips or held in whole, "in the ledger only when its clips are visible"


def first(tmp_path: Path, fake_media: Callable) -> tuple[IngestConfig, Options]:
    for name, clips in (("a", 2), ("b", 1), ("c", 0), ("d", 1), ("e", 1)):
        fake_media(tmp_path / "media" / name, clips)
    return CONFIG, Options()


def update(tmp_path: Path, fake_media: Callable) -> tuple[IngestConfig, Options]:
    """One grown, one shrunk, one touched, one that failed mended, one removed, one new."""
    media = tmp_path / "media"
    fake_media(media / "a", 3)
    fake_media(media / "c", 1)
    (media / "b").touch()
    (media / "d").unlink()
    fake_media(media / "e", 0)
    fake_media(media / "f", 2)
    return CONFIG, Options(prune=True)


def rebuild(tmp_path: Path, fake_media: Callable) -> tuple[IngestConfig, Options]:
    (tmp_path / "media" / "d").unlink()
    return OTHER, Options(rebuild=True)


def compact(tmp_path: Path, fake_media: Callable) -> tuple[IngestConfig, Options]:
    return CONFIG, Options(compact=True)


def copies(tmp_path: Path, fake_media: Callable) -> tuple[IngestConfig, Options]:
    """Copies of a known file, of new ones, of one that fails, of what becomes another; videos that look alike."""
    media = tmp_path / "media"
    for name, of in (("g", "a"), ("h", "b"), ("k", "c")):
        shutil.copy(media / of, media / name)
    fake_media(media / "i", 2, "10.0:1:2:3:4")
    shutil.copy(media / "i", media / "j")
    fake_media(media / "l", 1, "10.1:1:2:3:4")
    fake_media(media / "b", 1, "another")
    return CONFIG, Options()


def relabel(tmp_path: Path, fake_media: Callable) -> tuple[IngestConfig, Options]:
    """Other annotations of all but b, one of them with another time, too; one new, one gone."""
    media = tmp_path / "media"
    fake_media(media / "f", 2)
    (media / "a").touch()
    (media / "e").unlink()
    rows = ["a,hop,train", "b,,", "c,skip,test", "d,jump,train", "f,hop,test"]
    (tmp_path / "media.csv").write_text("\n".join(["uri,label,split", *(f"media/{row}" for row in rows)]))
    return CONFIG, Options()


@pytest.mark.parametrize("change", [first, update, copies, rebuild, compact, relabel])
def test_killed_at_any_write_and_run_again(
    change: Callable, tmp_path: Path, fake_media: Callable, killer: Killer
) -> None:
    media, bases = str(tmp_path / "media"), tmp_path / "base"
    source = f"{media}.csv" if change is relabel else media
    bases.mkdir()
    if change is not first:
        config, options = first(tmp_path, fake_media)
        ingest(media, str(bases / "t"), config)
    config, options = change(tmp_path, fake_media)

    def fresh(name: str) -> str:
        shutil.copytree(bases, tmp_path / name)
        return str(tmp_path / name / "t")

    killer.writes = 0
    undisturbed = fresh("undisturbed")
    whole = ingest(source, undisturbed, config, options=options)
    writes = killer.writes
    expected, rows = content(undisturbed), ledger(undisturbed)
    before = content(fresh("before"))
    assert writes > 1
    for at in range(1, writes + 1):
        table = fresh(f"killed{at}")
        killer.at, killer.writes, killer.decoded = at, 0, 0
        with pytest.raises(Killed):
            ingest(source, table, config, options=options)
        killer.at = 0
        check_invariants(table, [before, expected])
        if change is rebuild:
            assert content(table) in (before, expected), "never some of the old and some of the new"
        ingest(source, table, config, options=options)
        assert (content(table), ledger(table)) == (expected, rows), f"killed at write {at} of {writes}"
        assert killer.decoded <= whole["decoded"] + config.files_per_commit, "only the open batch twice"
        assert stored_config(open_table(table)) == config.content()


KILLED = """
import sys, time
sys.path[:0] = [{root!r}, {here!r}]
import conftest, pytest
from pipelines import task
from pipelines.config import IngestConfig
from pipelines.job import ingest
patch = pytest.MonkeyPatch()
conftest.without_ray(patch)
decode = task.decode_guarded
def slowly(*args):
    print("file", flush=True)
    time.sleep(0.02)
    return decode(*args)
patch.setattr(task, "decode_guarded", slowly)
ingest({media!r}, {table!r}, IngestConfig(fps=8.0, files_per_task=1, files_per_commit=2))
"""


def start(script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_two_processes_at_once(tmp_path: Path, fake_media: Callable) -> None:
    for index in range(6):
        fake_media(tmp_path / "media" / f"{index:02d}")
    media, table = str(tmp_path / "media"), str(tmp_path / "t")
    script = KILLED.format(root=str(ROOT), here=str(Path(__file__).parent), media=media, table=table)
    children = [start(script), start(script)]
    ends = [child.communicate() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    decoded = sorted(out.count("file") for out, _ in ends)
    assert decoded == [0, 6], "the one that waited finds all done"
    assert len(content(table)) == len(ledger(table)) == 6


def test_a_process_that_is_really_killed(tmp_path: Path, fake_media: Callable, no_ray: None) -> None:
    for index in range(12):
        fake_media(tmp_path / "media" / f"{index:02d}", 1 + index % 3)
    media, table, undisturbed = (str(tmp_path / name) for name in ("media", "t", "undisturbed"))
    ingest(media, undisturbed, CONFIG)
    expected = content(undisturbed)
    script = KILLED.format(root=str(ROOT), here=str(Path(__file__).parent), media=media, table=table)
    for files in (1, 4, 5):
        child = start(script)
        assert child.stdout is not None
        for _ in range(files):
            assert child.stdout.readline() == "file\n"
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert Path(f"{table}.ledger", "_ingest.lease").exists()
        check_invariants(table, [{}, expected])
    committed = len(ledger(table))
    assert 2 <= committed <= 10
    last = ingest(media, table, CONFIG)  # at once: the holder of the lease is seen to be dead
    assert last["decoded"] <= 12 - committed
    assert (content(table), ledger(table)) == (expected, ledger(undisturbed))
