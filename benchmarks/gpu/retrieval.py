"""What the features find: videos of the same class, and the picture that a sound belongs to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import simplejpeg
import torch
from torch import Tensor

from benchmarks.gpu.shard import PackedRow
from trainer.augment import Canvas, apply_video, plain_video
from trainer.config import PretrainConfig
from trainer.learner import Learner
from trainer.precision import autocast
from trainer.sample import decode_audio
from trainer.sound import speed_up

_FULL_SCALE = 32768.0


class Probe:
    """The clips of some rows, decoded once: `clips` windows a row, evenly spaced, at speed 1, unaugmented."""

    def __init__(
        self,
        rows: Sequence[PackedRow],
        config: PretrainConfig,
        sample_rate: int,
        clips: int,
        device: torch.device,
    ) -> None:
        self.rows, self.config, self.device = rows, config, device
        self._frames = [_frames(row, config.video.n_frames, clips) for row in rows]
        length = round(config.audio.clip_s * sample_rate)
        self._waves = [_waves(row, sample_rate, length, clips) for row in rows]

    @torch.no_grad()
    def features(self, learner: Learner) -> dict[str, Tensor]:
        """Mean features of each row, unit length: `video`, `audio`, and the projections `v_va`, `a_va`. (V, D)"""
        learner.model.eval()
        found: dict[str, list[Tensor]] = {"video": [], "audio": [], "v_va": [], "a_va": []}
        for frames, waves in zip(self._frames, self._waves, strict=True):
            assert learner.log_mel is not None
            n, _, height, width, _ = frames.shape
            canvas = Canvas(
                frames.to(self.device), torch.tensor([[height, width]], device=self.device).expand(n, 2)
            )
            params = torch.from_numpy(plain_video(width / height)).to(self.device).expand(n, -1)
            video = apply_video(canvas, params, self.config.video.size)
            audio = learner.log_mel(speed_up(waves.to(self.device), 1))
            with autocast(self.config, self.device):
                out, _ = learner.model(video, audio, {})
            for name, features in found.items():
                features.append(getattr(out, name).float().mean(dim=0).cpu())
        learner.model.train()
        return {name: torch.nn.functional.normalize(torch.stack(f), dim=1) for name, f in found.items()}


def class_recall(
    features: Tensor, labels: Sequence[str | None], groups: Sequence[str]
) -> dict[str, float | None]:
    """Whether the nearest labelled video of another group is of the same class: R@1, its chance level, n.

    Asked of the videos whose class another group has, too. `features`: (V, D) unit rows.
    """
    similar = features @ features.T
    hits, chances = [], []
    for query, label in enumerate(labels):
        gallery = [i for i, other in enumerate(labels) if other is not None and groups[i] != groups[query]]
        same = [i for i in gallery if labels[i] == label]
        if label is None or not same:
            continue
        hits.append(max(gallery, key=lambda i: float(similar[query, i])) in same)
        chances.append(len(same) / len(gallery))
    mean, chance = (float(np.mean(x)) if x else None for x in (hits, chances))
    return {"R@1": mean, "chance": chance, "n": len(hits)}


def sound_recall(sounds: Tensor, pictures: Tensor, asked: Sequence[int]) -> dict[str, float | None]:
    """Whether the picture nearest to a sound is its own, among all rows: R@1, its chance level, n. (V, d) each."""
    nearest = (sounds @ pictures.T).argmax(dim=1).tolist()
    hits = [nearest[query] == query for query in asked]
    return {"R@1": float(np.mean(hits)) if hits else None, "chance": 1 / len(pictures), "n": len(hits)}


def recalls(features: dict[str, Tensor], rows: Sequence[PackedRow]) -> dict[str, float | None]:
    """All retrieval figures of some features."""
    labels, groups = [row.label for row in rows], [row.group for row in rows]
    heldout = [i for i, row in enumerate(rows) if row.heldout]
    trained = [i for i, row in enumerate(rows) if not row.heldout]
    found = {
        "video_class": class_recall(features["video"], labels, groups),
        "audio_class": class_recall(features["audio"], labels, groups),
        "sound_to_picture_heldout": sound_recall(features["a_va"], features["v_va"], heldout),
        "sound_to_picture_trained": sound_recall(features["a_va"], features["v_va"], trained),
    }
    return {f"{name}/{figure}": value for name, part in found.items() for figure, value in part.items()}


def _starts(first: int, last: int, clips: int) -> np.ndarray:
    return np.linspace(first, last, clips).round().astype(int)


def _frames(row: PackedRow, n_frames: int, clips: int) -> Tensor:
    starts = _starts(0, row.stored.n_frames - n_frames, clips)
    positions = starts[:, None] + np.arange(n_frames)  # (clips, T)
    wanted, where = np.unique(positions, return_inverse=True)
    decoded = np.stack([simplejpeg.decode_jpeg(row.stored.frames[int(i)], "RGB") for i in wanted])
    return torch.from_numpy(decoded[where.reshape(positions.shape)])  # (clips, T, H, W, 3)


def _waves(row: PackedRow, sample_rate: int, length: int, clips: int) -> Tensor:
    sound = decode_audio(row.stored, sample_rate)
    assert row.stored.audio_valid is not None
    first, end = (int(s * sample_rate) for s in row.stored.audio_valid)
    starts = _starts(first, min(end, len(sound)) - length, clips)
    cut = np.stack([sound[start : start + length] for start in starts])
    return torch.from_numpy(cut.astype(np.float32) / _FULL_SCALE)  # (clips, L)
