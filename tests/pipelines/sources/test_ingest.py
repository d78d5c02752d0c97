"""From a table of uris to a clip table, on one private Ray."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from pipelines.config import IngestConfig
from pipelines.job import ingest
from pipelines.table import open_table, read_meta

CONFIG = IngestConfig(fps=8.0, short_side=32, sample_rate=8000)


def counts(outcome: dict[str, Any]) -> tuple[int, ...]:
    return tuple(
        outcome[key] for key in ("files", "missing", "new", "unchanged", "removed", "decoded", "rejected")
    )


def test_a_table_of_uris(tmp_path: Path, tiny: Callable, write: Callable, ray_local: None) -> None:
    for number, name in enumerate(("a/x.mp4", "b/x.mp4", "b/y.mp4")):
        tiny(tmp_path / "media" / name, 1.0 + number / 4)
    rows = "a/x.mp4,one,dog,test,left\nb/x.mp4,one,cat,,\nb/y.mp4,,cat,train,\nb/gone.mp4,,cat,,\n"
    source = write(tmp_path / "media" / "list.csv", f"\ufeffuri,video_id,label,split,camera\r\n{rows}")
    table = str(tmp_path / "t.delta")

    first = ingest(str(source), table, CONFIG)
    assert counts(first) == (3, 1, 3, 0, 0, 2, 1)
    assert first["reasons"] == {"duplicate": 1}
    clips = read_meta(open_table(table), ("video_id", "dataset", "label", "splits")).to_pylist()
    assert sorted((row["video_id"], row["dataset"], row["label"], dict(row["splits"])) for row in clips) == [
        ("media/b/y.mp4", "folder", "cat", {"folder/1": "train"}),
        ("one", "folder", "dog", {"folder/1": "test", "extra/camera": "left"}),
    ]
    client = MlflowClient()
    missing = client.download_artifacts(first["mlflow_run_id"], "missing.txt")
    assert Path(missing).read_text() == f"{tmp_path}/media/b/gone.mp4\n"
    assert client.get_run(first["mlflow_run_id"]).data.metrics["missing"] == 1

    # The files of a folder that the table knows are the same files, whatever names them.
    assert counts(ingest(f"{tmp_path}/media/**/*.mp4", table, CONFIG)) == (3, 0, 0, 3, 0, 0, 1)
    (tmp_path / "media" / "b" / "y.mp4").unlink()
    assert counts(ingest(f"{tmp_path}/media/a/*", table, CONFIG)) == (1, 0, 0, 1, 0, 0, 1)
    again = ingest(str(source), table, CONFIG)
    assert counts(again) == (2, 2, 0, 2, 1, 0, 1)
