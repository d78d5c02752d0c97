"""The demo end to end, as small as it goes, on the generated world and on a folder of one's own."""

from __future__ import annotations

import json
import subprocess
from contextlib import nullcontext
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from chronav import demo as module
from chronav.config import build
from chronav.demo import DemoConfig, demo
from chronav.errors import CallError, JobError
from trainer.config import HEADS

SMALL = ["videos_per_class=5", "groups_per_class=5", "steps=2", "clips=1", "labels=33"]


def write_video(path: Path, frames: int, seed: int) -> None:
    """Noise, 16 frames a second, without sound."""
    noise = np.random.default_rng(seed).integers(0, 256, (frames, 64, 64, 3), dtype=np.uint8)
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x64", "-r", "16", "-i", "-"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *source, "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(command, input=noise.tobytes(), check=True)


@pytest.fixture(scope="module")
def shown(ray_local, tmp_path_factory: pytest.TempPathFactory) -> dict:
    out = tmp_path_factory.mktemp("demo") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path_factory.getbasetemp()}/mlflow.db")
        return demo(str(out), None, build(DemoConfig, overrides=SMALL)) | {"out": out}


def test_the_demo_goes_from_world_to_report(shown):
    assert shown["ingest"]["ok"] == 55
    assert set(shown["pretrain"]["accuracies"]) == set(HEADS)
    assert set(shown["evaluate"]) == {"retrieval", "linear", "audio"}
    for outcome in shown["evaluate"].values():
        assert outcome["seen_in_pretraining"] == 0
        assert "random_weights" in outcome["baselines"]
    assert "report:" in shown["summary"]
    assert "MLflow:" in shown["summary"]
    json.dumps({key: value for key, value in shown.items() if key != "out"}, default=str)


def test_the_report_is_one_file_and_says_how_it_was_made(shown):
    page = Path(shown["report"]).read_text()
    assert "chronav demo videos_per_class=5" in page
    assert "data:image/jpeg;base64," in page
    assert 'src="http' not in page
    assert 'href="http' not in page


def test_ones_own_folder_is_learnt_from_without_labels(shown, tmp_path):
    data = shown["out"] / "world" / "videos"
    outcome = demo(str(tmp_path / "mine"), str(data), build(DemoConfig, overrides=SMALL))
    assert outcome["evaluate"] == {}
    # queries are the videos that were held out; eight are shown at most
    assert len(outcome["neighbours"]) == min(8, outcome["pretrain"]["heldout_videos"])
    page = Path(outcome["report"]).read_text()
    assert "your videos" in page
    assert "random weights" not in page


def test_wrong_calls_write_nothing(shown, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CallError, match="exists"):
        demo(str(shown["out"]), None, DemoConfig())
    with pytest.raises(CallError, match="not a folder"):
        demo("out", "nowhere", DemoConfig())
    assert not list(tmp_path.iterdir())


def test_a_folder_with_too_little_says_so(ray_local, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "notes.txt").write_text("no video")
    with pytest.raises(JobError, match="0 segments"):
        demo(str(tmp_path / "out"), str(tmp_path / "data"), build(DemoConfig, overrides=SMALL))


def test_segments_that_are_all_too_short_fail_the_job_as_the_table_was_written(ray_local, tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    for number in range(8):  # the tiny recipe's clips have eight frames, these videos five
        write_video(data / f"{number}.mp4", frames=5, seed=number)
    with pytest.raises(JobError, match="8 shorter than one clip") as caught:
        demo(str(out), str(data), build(DemoConfig, overrides=SMALL))
    assert caught.value.exit_code == 1
    assert (out / "clips.delta").is_dir()


def test_a_wrong_call_before_anything_is_written_stays_one(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise CallError("no", code="bad_value")

    monkeypatch.setattr(module, "_own_data", refuse)
    monkeypatch.setattr("chronav.cluster.connected", lambda min_cpus: nullcontext())
    with pytest.raises(CallError, match="no"):
        demo(str(tmp_path / "out"), str(tmp_path), DemoConfig())
