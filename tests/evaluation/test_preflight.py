"""Names and places that are wrong are told before anything heavy is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chronav.errors import CallError
from evaluation.config import EvaluateConfig
from evaluation.preflight import check_call

CALLS = {
    "unknown_protocol": ("nosuch", {}),
    "missing_export": ("linear", {"export": "nowhere"}),
    "missing_data": ("linear", {"data": "nowhere"}),
    "missing_dataset": ("linear", {}),
    "bad_value": ("linear", {"dataset": "imagenet"}),
    "missing_annotations": ("linear", {"dataset": "ucf101", "annotations": "nowhere"}),
    "missing_weights": ("linear", {"dataset": "ucf101", "config": EvaluateConfig(supervised="nowhere.pth")}),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with media and what looks like an export from outside."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "config.json").write_text("{}")
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "v.avi").write_bytes(b"RIFF")
    return tmp_path


@pytest.mark.parametrize("code", CALLS)
def test_what_is_not_there_is_refused(place: Path, code: str) -> None:
    protocol, changed = CALLS[code]
    call = {"export": "export", "data": "media", "config": EvaluateConfig()} | changed
    with pytest.raises(CallError) as caught:
        check_call(protocol, **call)
    assert caught.value.code == code


def test_the_layouts_that_are_named_are_all_that_evaluations_know(place: Path) -> None:
    with pytest.raises(CallError, match=r"known: folder, .*ucf101.*esc10"):
        check_call("linear", "export", "media", EvaluateConfig(), "imagenet")
    for dataset in ("esc10", "esc50", "world", "folder"):
        check_call("linear", "export", "media", EvaluateConfig(), dataset)


def test_a_refusal_imports_nothing_heavy_and_ends_with_exit_code_2(place: Path) -> None:
    for arguments in (
        ["nosuch", "export", "media"],
        ["linear", "nowhere", "media"],
        ["linear", "export", "no"],
    ):
        protocol, export, data = arguments
        call = ["evaluate", protocol, "--export", export, "--data", data]
        script = (
            "import sys\nfrom chronav.cli import main\n"
            f"sys.argv[1:] = {call}\n"
            "try: main()\nexcept SystemExit as exit_: code = exit_.code\n"
            "heavy = {'torch', 'ray', 'mlflow', 'sklearn', 'torchvision', 'scipy'}\n"
            "print(code, sorted(heavy & set(sys.modules)))\n"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
        assert done.stdout.splitlines()[-1] == "2 []", done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_an_export_for_each_fold_is_looked_for_by_the_first(place: Path) -> None:
    (place / "fold-1").symlink_to(place / "export")
    check_call("audio", "fold-{fold}", "media", EvaluateConfig(), "esc50")
    check_call("audio", "export", "media", EvaluateConfig(), "esc50", against="fold-{fold}")
    with pytest.raises(CallError, match="no export at 'none-1'"):
        check_call("audio", "none-{fold}", "media", EvaluateConfig(), "esc50")
