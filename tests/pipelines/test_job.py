"""The whole of `chronav ingest`, on one private Ray."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from mlflow import MlflowClient

from chronav.errors import CallError
from pipelines import ledger as ledgers
from pipelines.config import IngestConfig
from pipelines.job import ingest
from pipelines.options import Options
from pipelines.table import open_table, read_meta, read_row_group, row_groups

CONFIG = IngestConfig(fps=8.0, short_side=32, sample_rate=8000, files_per_task=2, files_per_commit=3)


def by_name(table: str) -> dict[str, dict[str, Any]]:
    rows = read_meta(open_table(f"{table}.ledger"), ("source_uri", "status", "reason", "clips", "batch_id"))
    return {Path(row["source_uri"]).name: row for row in rows.to_pylist()}


def clip_ids(table: str) -> list[str]:
    return sorted(read_meta(open_table(table), ("clip_id",))["clip_id"].to_pylist())


@pytest.fixture
def source(tmp_path: Path, tiny: Callable) -> Path:
    """UCF101's layout: four good files (one silent, one of two segments), one of garbage, one of text."""
    root = tmp_path / "videos"
    for group in (1, 2):
        tiny(root / "Dot" / f"v_Dot_g{group:02d}_c01.mp4", 1.0, 440 * group)
    tiny(root / "Line" / "v_Line_g01_c01.mp4", 1.0, None)
    tiny(root / "Line" / "v_Line_g02_c01.avi", 14.0)
    (root / "Line" / "v_Line_g03_c01.mp4").write_bytes(os.urandom(5000))
    (root / "Line" / "v_Line_g04_c01.mp4").write_text("no video at all\n")
    return root


def test_life_of_a_table(source: Path, tmp_path: Path, tiny: Callable, ray_local: None) -> None:
    table = str(tmp_path / "t.delta")

    def run(config: IngestConfig = CONFIG) -> dict[str, Any]:
        return ingest(str(source), table, config, "ucf101")

    first = run()
    assert {key: first[key] for key in ("files", "new", "decoded", "ok", "rejected", "failed", "reasons")} == {
        "files": 6, "new": 6, "decoded": 6, "ok": 4, "rejected": 0, "failed": 2, "reasons": {"unreadable": 2},
    }  # fmt: skip
    assert (first["segments"], first["segments_with_sound"], len(clip_ids(table))) == (5, 4, 5)
    assert first["table_version"] == open_table(table).version() == 2  # made, and two commits of three files
    meta = read_meta(open_table(table)).to_pylist()
    batches = {name: row["batch_id"] for name, row in by_name(table).items()}
    assert all(batches[Path(row["source_uri"]).name] == row["batch_id"] for row in meta)
    assert MlflowClient().get_run(first["mlflow_run_id"]).data.metrics["decoded"] == 6
    artifacts = {file.path for file in MlflowClient().list_artifacts(first["mlflow_run_id"])}
    assert {"inspect.html", "inspect.json"} <= artifacts

    second = run()
    assert {key: second[key] for key in ("new", "changed", "unchanged", "removed", "decoded", "segments")} == {
        "new": 0, "changed": 0, "unchanged": 6, "removed": 0, "decoded": 0, "segments": 5,
    }  # fmt: skip
    assert second["table_version"] == first["table_version"]

    # One grows into two segments, one of two becomes garbage, one is touched, one new, one gone.
    dot, line = source / "Dot", source / "Line"
    tiny(dot / "v_Dot_g01_c01.mp4", 14.0)
    (line / "v_Line_g02_c01.avi").write_bytes(os.urandom(3000))
    os.utime(dot / "v_Dot_g02_c01.mp4", (1, 1))
    tiny(dot / "v_Dot_g05_c01.mp4", 1.0, 550)
    (line / "v_Line_g01_c01.mp4").unlink()
    third = run()
    assert {key: third[key] for key in ("files", "new", "changed", "unchanged", "removed", "decoded")} == {
        "files": 6, "new": 1, "changed": 2, "unchanged": 3, "removed": 1, "decoded": 3,
    }  # fmt: skip
    assert clip_ids(table) == [
        "v_Dot_g01_c01:0", "v_Dot_g01_c01:1", "v_Dot_g02_c01:0", "v_Dot_g05_c01:0", "v_Line_g01_c01:0",
    ]  # fmt: skip
    assert (third["ok"], third["failed"], third["segments"]) == (4, 3, 5)
    assert run()["decoded"] == 0
    merged = ingest(str(source), table, CONFIG, "ucf101", options=Options(compact=True, prune=True))
    assert (merged["compacted"]["into"], merged["pruned"], merged["segments"]) == (1, 1, 4)
    assert len(open_table(table).file_uris()) == 1

    # The stored media of rows that were carried over and of new ones are whole.
    for group in row_groups(open_table(table)):
        for row in read_row_group(group).to_pylist():
            assert len(row["frames"]) == row["n_frames"] > 0
            assert all(data[:2] == b"\xff\xd8" and data[-2:] == b"\xff\xd9" for data in row["frames"])
    assert DeltaTable(table).to_pyarrow_table(columns=["clip_id", "splits"]).num_rows == 4

    with pytest.raises(CallError, match=r"fps.*short_side") as refused:
        run(CONFIG.model_copy(update={"fps": 4.0, "short_side": 16, "files_per_task": 1}))
    assert refused.value.code == "config_changed"


def test_a_kill_between_the_two_tables_is_made_good(
    source: Path, tmp_path: Path, ray_local: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = str(tmp_path / "t.delta")
    put = ledgers.put
    monkeypatch.setattr(ledgers, "put", _killed)
    with pytest.raises(KeyboardInterrupt):
        ingest(str(source), table, CONFIG, "ucf101")
    monkeypatch.setattr(ledgers, "put", put)
    visible = clip_ids(table)
    assert visible
    assert not by_name(table)

    outcome = ingest(str(source), table, CONFIG, "ucf101")
    assert (outcome["unchanged"], outcome["new"], outcome["decoded"]) == (3, 3, 3)
    assert len(by_name(table)) == 6
    assert len(clip_ids(table)) == len(set(clip_ids(table))) == 5
    assert set(visible) < set(clip_ids(table))


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_folder_of_text_gives_a_ledger_of_reasons(tmp_path: Path, ray_local: None) -> None:
    for name in ("a.txt", "b.md", "c.csv"):
        (tmp_path / "texts" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "texts" / name).write_text("hello\n")
    outcome = ingest(str(tmp_path / "texts"), str(tmp_path / "t.delta"), CONFIG)
    assert (outcome["failed"], outcome["reasons"], outcome["segments"]) == (3, {"unreadable": 3}, 0)
    assert clip_ids(str(tmp_path / "t.delta")) == []
    assert json.loads(json.dumps(outcome)) == outcome


def test_files_that_share_an_id(source: Path, tmp_path: Path, ray_local: None) -> None:
    again = source / "again" / "v_Dot_g01_c01.mp4"
    again.parent.mkdir()
    again.write_bytes((source / "Dot" / "v_Dot_g01_c01.mp4").read_bytes())
    outcome = ingest(str(source), str(tmp_path / "t.delta"), CONFIG, "ucf101")
    assert (outcome["new"], outcome["decoded"], outcome["rejected"]) == (7, 6, 1)
    assert outcome["reasons"] == {"duplicate": 1, "unreadable": 2}
    assert len(clip_ids(str(tmp_path / "t.delta"))) == 5


def messages(table: str) -> dict[str, str]:
    """The ledger's messages by uri, of the files that have one."""
    rows = read_meta(open_table(f"{table}.ledger"), ("source_uri", "message")).to_pylist()
    return {row["source_uri"]: row["message"] for row in rows if row["message"] is not None}


def clips(table: str) -> dict[str, str]:
    """Which file each clip is from."""
    rows = read_meta(open_table(table), ("clip_id", "source_uri")).to_pylist()
    assert len({row["clip_id"] for row in rows}) == len(rows)
    return {row["clip_id"]: row["source_uri"] for row in rows}


def counts(outcome: dict[str, Any]) -> tuple[int, ...]:
    keys = ("new", "changed", "unchanged", "decoded", "ok", "rejected", "segments")
    return tuple(outcome[key] for key in keys)


def test_a_duplicate_that_changes_replaces_nothing(tmp_path: Path, tiny: Callable, ray_local: None) -> None:
    table = str(tmp_path / "t.delta")
    files = [tiny(tmp_path / name / "v_Dot_g01_c01.mp4", 1.0) for name in "abc"]

    def run(name: str) -> tuple[int, ...]:
        return counts(ingest(str(tmp_path / name), table, CONFIG, "ucf101"))

    assert run("a") == (1, 0, 0, 1, 1, 0, 1)
    assert run("b") == (1, 0, 0, 0, 1, 1, 1)
    tiny(files[1], 1.5)
    assert run("b") == (0, 1, 0, 0, 1, 1, 1)
    assert run("b") == (0, 0, 1, 0, 1, 1, 1)
    assert run("c") == (1, 0, 0, 0, 1, 2, 1)
    assert clips(table) == {"v_Dot_g01_c01:0": str(files[0])}
    of = f"the id v_Dot_g01_c01 belongs to {files[0]}"
    assert messages(table) == {str(files[1]): of, str(files[2]): of}

    files[0].write_text("no video any more\n")  # its clips go, and its id with them
    assert run("a") == (0, 1, 0, 1, 0, 2, 0)
    tiny(files[1], 1.0)
    assert run("b") == (0, 1, 0, 1, 1, 1, 1)
    assert clips(table) == {"v_Dot_g01_c01:0": str(files[1])}


def test_folders_of_one_name_in_one_table(tmp_path: Path, tiny: Callable, ray_local: None) -> None:
    table = str(tmp_path / "t.delta")
    old, new = tmp_path / "2023" / "videos", tmp_path / "2024" / "videos"
    for folder, seconds in ((old, 1.0), (new, 1.5)):
        tiny(folder / "x.mp4", seconds)
    tiny(old / "same.mp4", 1.0, 550)
    (new / "same.mp4").write_bytes((old / "same.mp4").read_bytes())

    def run(folder: Path) -> tuple[int, ...]:
        return counts(ingest(str(folder), table, CONFIG))

    assert run(old) == (2, 0, 0, 2, 2, 0, 2)
    assert run(new) == (2, 0, 0, 1, 3, 1, 3)
    [spare] = [clip_id for clip_id in clips(table) if "~" in clip_id]
    expected = {
        "videos/same.mp4:0": str(old / "same.mp4"), "videos/x.mp4:0": str(old / "x.mp4"), spare: str(new / "x.mp4"),
    }  # fmt: skip
    assert clips(table) == expected
    assert messages(table) == {str(new / "same.mp4"): f"same content as {old / 'same.mp4'}"}
    version = open_table(table).version()
    assert run(old) == run(new) == (0, 0, 2, 0, 3, 1, 3)
    assert open_table(table).version() == version

    tiny(new / "x.mp4", 1.2)
    tiny(new / "same.mp4", 1.2, 550)
    os.utime(old / "x.mp4", (1, 1))
    assert run(new) == (0, 2, 0, 2, 4, 0, 4)
    assert run(old) == (0, 0, 2, 0, 4, 0, 4)
    assert clips(table) == {
        **expected, spare.replace("x.mp4", "same.mp4"): str(new / "same.mp4"),
    }  # fmt: skip
    assert messages(table) == {}


@pytest.mark.parametrize("made", ["t.delta", "t.delta.ledger"])
def test_a_file_in_the_place_of_a_table_is_left_alone(
    made: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(made).write_text("notes\n")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CallError, match=f"'{made}' is a file") as refused:
        ingest(str(source), "t.delta", CONFIG, "ucf101")
    assert refused.value.code == "bad_table"
    assert (sorted(tmp_path.rglob("*")), Path(made).read_text()) == (before, "notes\n")


@pytest.mark.parametrize(
    ("folder", "dataset"),
    [("missing", "folder"), ("empty", "folder"), ("texts", "ucf101"), ("texts", "other")],
)
def test_a_bad_call_writes_nothing(
    folder: str, dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("hello\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(CallError):
        ingest(folder, "t.delta", CONFIG, dataset)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "texts"]


def test_a_foreign_delta_table_is_left_alone(source: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    from deltalake import write_deltalake

    table = str(tmp_path / "t.delta")
    write_deltalake(table, pa.table({"x": [1]}))
    with pytest.raises(CallError, match="no clip table"):
        ingest(str(source), table, CONFIG, "ucf101")
    assert DeltaTable(table).version() == 0


@pytest.mark.realdata
def test_all_of_the_ucf101_sample(real_data: Path, tmp_path: Path, ray_local: None) -> None:
    table = str(tmp_path / "ucf.delta")
    lists = str(real_data / "annotations" / "ucf101")
    config = IngestConfig(fps=8.0, short_side=64)
    outcome = ingest(str(real_data / "ucf101" / "videos"), table, config, "ucf101", lists)
    assert (outcome["files"], outcome["ok"], outcome["reasons"]) == (131, 131, {})
    rows = read_meta(open_table(table)).to_pylist()
    assert len({row["video_id"] for row in rows if row["audio_valid_end_s"] is not None}) == 63
    assert {round(row["source_fps"], 2) for row in rows} == {25.0, 29.97}
    assert all(0 <= row["start_s"] < 60 for row in rows)  # decord's own times are absurd for some of these
    assert all(row["n_frames"] == int(row["duration_s"] * 8 + 1e-6) for row in rows)
    assert all(len(row["splits"]) == 3 for row in rows)
