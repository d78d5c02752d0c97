"""The probe on a worker: what the encoders that the run would leave now tell of the chosen videos."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import simplejpeg
import torch
from torch import Tensor

from pipelines.table import RowGroup
from trainer.augment import Canvas, apply_video, plain_video
from trainer.config import PretrainConfig
from trainer.dist import gather_objects, rank, world_size
from trainer.learner import Learner
from trainer.objective import FULL_SCALE
from trainer.precision import autocast
from trainer.sample import decode_audio
from trainer.sound import speed_up
from trainer.stored import open_rows
from trainer.watch.knn import knn_top1
from trainer.watch.mode import evaluating
from trainer.watch.probe_table import Probe, ProbeRow

_BATCH = 32


@dataclass(frozen=True)
class _Clips:
    """The clips in the middle of a segment, at speed 1, still encoded where that is smaller."""

    video: int
    frames: list[bytes]  # JPEGs; empty: none
    wave: np.ndarray  # (samples,) int16; empty: none


class Prober:
    """This worker's share of the probe's videos. Their clips are read once and kept: about 0.2 MB a segment."""

    def __init__(
        self, probe: Probe, learner: Learner, config: PretrainConfig, sample_rate: int, device: torch.device
    ) -> None:
        self._probe, self._learner, self._config = probe, learner, config
        self._sample_rate, self._device = sample_rate, device
        self._clips: list[_Clips] | None = None

    def measure(self) -> dict[str, dict[str, float | int]]:
        """`knn_v` and `knn_a` -> `value`, `chance`, `n`; all workers call it together, and get the same."""
        if self._clips is None:
            self._clips = self._read()
        with evaluating(self._learner.exported()):
            own = {"knn_v": self._video_features(), "knn_a": self._audio_features()}
        parts = gather_objects(own)
        found = {}
        for name in own:
            merged = {video: feature for part in parts for video, feature in part[name].items()}
            videos = np.array(sorted(merged), int)
            if len(videos):
                features = np.stack([merged[video] for video in videos])
                score = knn_top1(features, self._probe.asked[videos])
                if score is not None:
                    found[name] = score
        return found

    def _read(self) -> list[_Clips]:
        mine = [row for row in self._probe.rows if row.video % world_size() == rank()]
        by_group = sorted(mine, key=lambda row: (row.group.path, row.group.index))
        clips = []
        for group, rows in itertools.groupby(by_group, key=lambda row: row.group):
            clips += self._cut(group, list(rows))
        return clips

    def _cut(self, group: RowGroup, rows: list[ProbeRow]) -> list[_Clips]:
        stored = open_rows(group)
        length, samples = self._config.video.n_frames, round(self._config.audio.clip_s * self._sample_rate)
        found = []
        for at in rows:
            row = stored[at.row]
            first = (row.n_frames - length) // 2
            frames = [bytes(row.frames[first + t]) for t in range(length)] if at.has_video else []
            wave = np.zeros(0, np.int16)
            if at.has_audio:
                assert row.audio_valid is not None
                middle = round(sum(row.audio_valid) / 2 * self._sample_rate)
                start = max(middle - samples // 2, 0)
                wave = decode_audio(row, self._sample_rate)[start : start + samples].copy()
            found.append(_Clips(at.video, frames, wave if len(wave) == samples else wave[:0]))
        return found

    def _video_features(self) -> dict[int, np.ndarray]:
        """Mean features by video: (Dv,) each."""
        encoder, size = self._learner.exported().get_submodule("video_encoder"), self._config.video.size
        owners, features = [], []
        for part in _batches([clips for clips in self._clips or () if clips.frames]):
            seen = torch.cat([_centre(clips.frames, size, self._device) for clips in part])
            with autocast(self._config, self._device):
                found = encoder(seen.contiguous(memory_format=torch.channels_last_3d))
            features.append(found.float().cpu())
            owners += [clips.video for clips in part]
        return _means(owners, features)

    def _audio_features(self) -> dict[int, np.ndarray]:
        log_mel, encoder = self._learner.log_mel, self._learner.exported().get_submodule("audio_encoder")
        owners, features = [], []
        for part in _batches([clips for clips in self._clips or () if len(clips.wave)]):
            assert log_mel is not None
            waves = torch.from_numpy(np.stack([clips.wave for clips in part])).to(self._device)
            mel = log_mel(speed_up(waves.float() / FULL_SCALE, 1))
            with autocast(self._config, self._device):
                features.append(encoder(mel).float().cpu())
            owners += [clips.video for clips in part]
        return _means(owners, features)


def _batches(clips: list[_Clips]) -> list[list[_Clips]]:
    return [clips[i : i + _BATCH] for i in range(0, len(clips), _BATCH)]


def _centre(frames: list[bytes], size: int, device: torch.device) -> Tensor:
    """The centre square of a clip: (1, 3, T, size, size)."""
    pictures = np.stack([simplejpeg.decode_jpeg(frame, "RGB", fastdct=True) for frame in frames])
    height, width = pictures.shape[1:3]
    canvas = Canvas(
        torch.from_numpy(pictures)[None].to(device), torch.tensor([[height, width]], device=device)
    )
    return apply_video(canvas, torch.from_numpy(plain_video(width / height))[None].to(device), size)


def _means(owners: list[int], features: list[Tensor]) -> dict[int, np.ndarray]:
    """The mean feature of each video's segments."""
    rows: dict[int, list[np.ndarray]] = {}
    for owner, feature in zip(owners, torch.cat(features).numpy() if features else (), strict=True):
        rows.setdefault(owner, []).append(feature)
    return {owner: np.mean(found, axis=0) for owner, found in rows.items()}
