"""The whole way: real media, the bundle, the small check on a machine without chronav's packages, MLflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from benchmarks.gpu import pack
from benchmarks.gpu.launch import VENDORED
from benchmarks.gpu.part import MODULES
from chronav.errors import JobError
from chronav.gpu_report import import_report, read_report
from trainer.config import HEADS

# What the bare machine has not; an import of it raises, as there.
ABSENT = ("ray", "mlflow", "deltalake", "pyarrow", "fsspec", "decord", "av", "typer", "rich", "safetensors")
LIMIT = 16 * 2**20


@pytest.fixture(scope="module")
def media(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five of the real videos, three of ten seconds."""
    folder = tmp_path_factory.mktemp("media")
    for name in ("kinetics", "grid"):
        (folder / name).symlink_to(real_data / name)
    return folder


@pytest.fixture(scope="module")
def bundle(media: Path, ray_local: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    path = folder / "chronav-gpu.pyz"
    # A fixture of a module cannot have that of a test: the ingest's MLflow run belongs beside the tables.
    before = os.environ.get("MLFLOW_TRACKING_URI")
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    try:
        counts = pack.pack(media, path, folder / "work", LIMIT)
    finally:
        os.environ.pop("MLFLOW_TRACKING_URI")
        if before is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before
    assert counts == {"videos": 5, "segments": 5, "heldout_segments": 1, "bytes": path.stat().st_size}
    return path


@pytest.fixture(scope="module")
def report(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The JSON of the small check, run from the bundle alone, where only torch's own packages can be imported."""
    folder = tmp_path_factory.mktemp("bare")
    blocker = folder / "sitecustomize.py"
    blocker.write_text(f"import sys\nfor name in {ABSENT!r}: sys.modules[name] = None\n")
    file = folder / "out.json"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, bundle, "--device", "cpu", "--small", "--minutes", "2", "--json", file],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(file) in done.stdout
    return file


@pytest.mark.realdata
def test_the_bundle_is_small_and_whole(bundle: Path) -> None:
    assert bundle.stat().st_size <= LIMIT
    names = zipfile.ZipFile(bundle).namelist()
    assert "__main__.py" in names
    for package in ("pydantic/__init__.py", "yaml/__init__.py", "simplejpeg/__init__.py", "soundfile.py"):
        assert f"{VENDORED}/{package}" in names
    compiled = [name for name in names if name.endswith(".so") and "libsndfile" not in name]
    assert any("pydantic_core" in name for name in compiled)
    assert all("cpython-312-x86_64" in name or "abi3" in name for name in compiled), compiled
    assert not [name for name in names if name.startswith(("pipelines", "evaluation", "tests"))]


@pytest.mark.realdata
def test_every_part_of_the_small_check_is_done(report: Path) -> None:
    found = read_report(str(report))
    assert found.ok and found.small
    assert found.seconds < found.limit_s
    assert list(found.parts) == list(MODULES)
    statuses = {name: part.status for name, part in found.parts.items()}
    assert statuses == dict.fromkeys(MODULES, "done") | {"compile": "skipped"}
    assert "CPU" in (found.parts["compile"].reason or "")
    assert found.parts["throughput"].figures["samples_per_s"] > 0
    assert found.parts["loader"].figures["samples_per_s"] > 0
    training = found.parts["pretraining"]
    assert training.figures["steps"] == training.settings["config"]["steps"] == training.curve[-1]["step"]
    for when in ("before", "after"):
        for head in HEADS:
            assert {"value", "chance", "low", "high", "n"} <= {
                name.split("/")[2] for name in training.figures if name.startswith(f"{when}/{head}/")
            }
        assert training.figures[f"{when}/sound_to_picture_heldout/n"] == 1
    assert training.notes  # few clips, and it says so


@pytest.mark.realdata
def test_the_report_becomes_a_run(report: Path) -> None:
    from mlflow import MlflowClient

    outcome = import_report(str(report))
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    run = client.get_run(outcome["mlflow_run_id"])
    found = json.loads(report.read_text())
    assert client.get_experiment(run.info.experiment_id).name == "chronav/gpu"
    assert run.info.status == "FINISHED"
    assert run.data.params["machine.torch"] == found["machine"]["torch"]
    assert run.data.params["parts.pretraining.config.batch_size"] == "8"
    assert run.data.tags["chronav.gpu.compile"] == "skipped"
    throughput = found["parts"]["throughput"]["figures"]
    assert run.data.metrics["throughput/samples_per_s"] == throughput["samples_per_s"]
    assert "throughput/model_flop_utilisation" not in run.data.metrics  # null
    curve = client.get_metric_history(run.info.run_id, "pretraining/loss/total")
    assert [point.step for point in curve] == [p["step"] for p in found["parts"]["pretraining"]["curve"]]
    assert client.list_artifacts(run.info.run_id)[0].path == "gpu-check.json"


def test_a_bundle_without_room_for_a_clip_is_refused(monkeypatch, tmp_path, rows) -> None:
    monkeypatch.setattr(pack, "unpack_wheels", lambda folder, constraints: None)
    monkeypatch.setattr(pack, "sounding_rows", lambda media, tables: [rows])
    with pytest.raises(JobError, match="no clip fits"):
        pack.pack(tmp_path, tmp_path / "small.pyz", tmp_path / "work", limit=2**17)


def test_a_bundle_over_its_limit_is_refused_loudly(monkeypatch, tmp_path, rows) -> None:
    monkeypatch.setattr(pack, "unpack_wheels", lambda folder, constraints: None)
    monkeypatch.setattr(pack, "sounding_rows", lambda media, tables: [rows])
    monkeypatch.setattr(pack, "choose", lambda sets, room: [row for rows in sets for row in rows])
    path = tmp_path / "large.pyz"
    with pytest.raises(JobError, match=r"the bundle has \d+ bytes, more than 400000"):
        pack.pack(tmp_path, path, tmp_path / "work", limit=400_000)
    assert not path.exists()
