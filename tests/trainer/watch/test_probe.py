"""The clips that a probe looks at, and what it sees in them."""

from __future__ import annotations

import numpy as np
import pytest
import simplejpeg
import torch

from trainer.export import ExportConfig, load_export, write_export
from trainer.learner import Learner
from trainer.tables import select_rows
from trainer.watch import probe as probe_module
from trainer.watch.probe import Prober
from trainer.watch.probe_table import open_probe

CPU = torch.device("cpu")


@pytest.fixture
def prober(kit, number_table):
    config = kit.toy_config()
    data = select_rows([number_table], config)
    learner = Learner.build(config, kit.rate, 64, CPU)
    return Prober(open_probe(number_table, config, data), learner, config, kit.rate, CPU)


def test_clips_come_from_the_middle_of_a_segment(kit, prober):
    clips = prober._read()
    assert len(clips) == 20
    for clip in clips:
        numbers = [kit.read_number(simplejpeg.decode_jpeg(frame, "RGB")) for frame in clip.frames]
        assert numbers == list(range(76, 84))  # 8 of 160 frames
    sounding = [clip for clip in clips if len(clip.wave)]
    assert len(sounding) == 13  # every third video is silent
    middle = 5 * kit.rate
    half = kit.rate // 4  # clips of half a second
    assert sounding[0].wave.tolist() == list(range(middle - half, middle + half))


def test_features_are_those_of_the_export(kit, prober, tmp_path):
    config, model = prober._config, prober._learner.model
    export = ExportConfig(
        video=config.video,
        audio=config.audio,
        norm=config.norm,
        fps=kit.fps,
        sample_rate=kit.rate,
        short_side=24,
        recipe="tiny",
        steps=1,
        seed=0,
        tables=(),
    )
    write_export(str(tmp_path), model, export, {})
    prober._clips = prober._read()
    clip = next(clip for clip in prober._clips if len(clip.wave))
    frames = np.stack([simplejpeg.decode_jpeg(frame, "RGB", fastdct=True) for frame in clip.frames])
    found = load_export(str(tmp_path)).embed(frames[None], clip.wave[None].astype(np.float32) / 32768)
    model.eval()
    with torch.no_grad():
        video, audio = prober._video_features()[clip.video], prober._audio_features()[clip.video]
    np.testing.assert_allclose(video, found.video[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(audio, found.audio[0], rtol=1e-4, atol=1e-5)


def test_workers_share_the_videos(prober, monkeypatch):
    shares: list[dict] = []
    monkeypatch.setattr(probe_module, "gather_objects", lambda own: shares.append(own) or [own])
    whole = prober.measure()
    monkeypatch.setattr(probe_module, "world_size", lambda: 2)
    for number in range(2):
        monkeypatch.setattr(probe_module, "rank", lambda number=number: number)
        prober._clips = None
        prober.measure()
    one, *halves = shares
    assert (whole["knn_v"]["n"], whole["knn_a"]["n"]) == (
        4,
        2,
    )  # the test part: videos 0, 5, 10, 15; two are silent
    for name in ("knn_v", "knn_a"):
        assert not halves[0][name].keys() & halves[1][name].keys()
        assert halves[0][name].keys() | halves[1][name].keys() == one[name].keys()
        for half in halves:
            for video, feature in half[name].items():
                np.testing.assert_allclose(feature, one[name][video], rtol=1e-4, atol=1e-5)


def test_a_network_that_sees_the_class_scores_high(prober, monkeypatch):
    """Features that are the label's own: the score is that of a perfect network, above its chance."""
    asked = prober._probe.asked
    own = {i: np.eye(4)[label] for i, label in enumerate(asked.label)}
    monkeypatch.setattr(prober, "_video_features", lambda: own)
    score = prober.measure()["knn_v"]
    assert score["value"] == 1.0
    assert score["chance"] < 0.5
    assert prober._learner.model.training  # the mode is put back
