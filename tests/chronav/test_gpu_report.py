from __future__ import annotations

import json

import pytest

from chronav.cli import app
from chronav.errors import CallError
from chronav.gpu_report import import_report, read_report

MACHINE = {
    "device": "cpu",
    "memory_bytes": None,
    "peak_flops": None,
    "cpus": 2,
    "python": "3.12.1",
    "torch": "2.11.0",
    "torchvision": "0.26.0",
    "cuda": None,
}
PART = {
    "status": "done",
    "seconds": 1.0,
    "reason": None,
    "settings": {"batch": 8},
    "figures": {"x": 1.0, "y": None},
    "curve": [{"step": 1.0, "loss/total": 3.0}, {"step": 2.0, "loss/total": 2.0}],
    "notes": [],
}
REPORT = {
    "format": "chronav-gpu/1",
    "code_version": "0.1.0",
    "begun": "2026-11-25T12:00:00+00:00",
    "small": True,
    "minutes": 6.0,
    "limit_s": 540.0,
    "seconds": 100.0,
    "ok": True,
    "machine": MACHINE,
    "parts": {"throughput": PART},
}


def test_a_failed_check_is_a_failed_run(tmp_path):
    from mlflow import MlflowClient

    from chronav.tracking import tracking_uri

    file = tmp_path / "out.json"
    failed = PART | {"status": "failed", "reason": "RuntimeError: no"}
    file.write_text(json.dumps(REPORT | {"ok": False, "parts": {"throughput": PART, "loader": failed}}))
    outcome = import_report(str(file))
    assert outcome["parts"] == {"throughput": "done", "loader": "failed"}
    assert outcome["ok"] is False
    run = MlflowClient(tracking_uri()).get_run(outcome["mlflow_run_id"])
    assert run.info.status == "FAILED"
    assert run.data.metrics["throughput/x"] == 1.0
    assert run.data.metrics["throughput/loss/total"] == 2.0
    assert "throughput/y" not in run.data.metrics


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no json", "is not JSON"),
        ("[1]", "is not a report of gpu-check"),
        (json.dumps({"format": "other/1"}), "is not a report of gpu-check: config key 'format'"),
        (json.dumps(REPORT | {"extra": 1}), "unknown config key 'extra'"),
        (json.dumps({k: v for k, v in REPORT.items() if k != "machine"}), "config key 'machine'"),
        (json.dumps(REPORT | {"parts": {"x": PART | {"status": "fine"}}}), "config key 'parts.x.status'"),
        (json.dumps(REPORT | {"parts": {"x": PART | {"figures": {"a": "b"}}}}), "parts.x.figures.a"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path, text, said):
    file = tmp_path / "out.json"
    file.write_text(text)
    with pytest.raises(CallError, match="is not") as error:
        read_report(str(file))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_the_command_ends_with_2_where_there_is_no_file(capsys):
    from typer.testing import CliRunner

    done = CliRunner().invoke(app, ["import-gpu", "nowhere.json", "--json"])
    assert done.exit_code == 2
    assert json.loads(done.stdout.splitlines()[-1])["error"]["code"] == "missing_file"


def test_the_command_prints_the_run(tmp_path):
    from typer.testing import CliRunner

    file = tmp_path / "out.json"
    file.write_text(json.dumps(REPORT))
    done = CliRunner().invoke(app, ["import-gpu", str(file), "--json"])
    assert done.exit_code == 0, done.output
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert f"MLflow run {outcome['mlflow_run_id']}" in done.stdout
