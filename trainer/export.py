"""The product of a run: encoder weights, what they expect, and the videos that they have seen."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor, nn

from chronav import __version__, storage
from chronav.config import Config, validate
from chronav.errors import CallError
from trainer.augment import Canvas, apply_video, plain_video
from trainer.config import AudioConfig, Norm, VideoConfig
from trainer.encoders import build_audio_encoder, build_video_encoder
from trainer.export_place import CONFIG, require_export
from trainer.joint import JOINT, JointSpace, joint_weights, open_joint
from trainer.sound import LogMel, speed_up

_LOUDEST = 16.0  # of floats meant to be within 1: resampling and gain go beyond it a little, integers far
WEIGHTS, SEEN = "encoder.safetensors", "seen_videos.parquet"
SHA256 = "source_sha256"


class ExportedTable(Config):
    """A table that was trained on."""

    path: str
    version: int
    weight: float | None = Field(
        None, description="relative share of an epoch's samples, where mixed by weight"
    )


class ExportConfig(Config):
    """What an export expects of its input, and where it came from."""

    video: VideoConfig
    audio: AudioConfig
    norm: Norm
    fps: float = Field(ge=0, description="stored frames per second; 0: trained without frames")
    sample_rate: int = Field(ge=0, description="samples per second; 0: trained without sound")
    short_side: int = Field(ge=0, description="short side of the stored frames, pixels")
    recipe: str
    steps: int
    seed: int
    tables: tuple[ExportedTable, ...] = Field(strict=False)
    excluded: tuple[str, ...] = Field((), strict=False)
    mlflow_run_id: str | None = None
    code_version: str = __version__

    @property
    def n_frames(self) -> int:
        """Frames of a video clip."""
        return self.video.n_frames

    @property
    def size(self) -> int:
        """Height and width of a video clip, pixels."""
        return self.video.size

    @property
    def clip_audio_s(self) -> float:
        """Seconds of an audio clip in training."""
        return self.audio.clip_s


@dataclass
class Embedding:
    """Frozen features of N clips; None for a modality that was not given."""

    video: Tensor | None  # (N, Dv) float32
    audio: Tensor | None  # (N, Da) float32


class _Encoders(nn.Module):
    """Exactly what is exported: both encoders under their names in the training model."""

    def __init__(self, config: ExportConfig) -> None:
        super().__init__()
        self.video_encoder = build_video_encoder(config.video, config.norm)
        self.audio_encoder = build_audio_encoder(config.audio, config.norm)


class Export:
    """A trained pair of encoders, ready to embed clips."""

    def __init__(self, path: str, config: ExportConfig, weights: dict[str, Tensor] | None) -> None:
        self.path, self.config = path, config
        self._encoders = _Encoders(config)
        if weights is not None:
            self._encoders.load_state_dict(weights)
        self._encoders.eval()
        self._log_mel = LogMel(config.audio, config.sample_rate) if config.sample_rate else None
        self._device = torch.device("cpu")

    def to(self, device: str | torch.device) -> Export:
        """Move the networks; returns itself."""
        self._device = torch.device(device)
        self._encoders.to(self._device)
        if self._log_mel is not None:
            self._log_mel.to(self._device)
        return self

    def seen_videos(self) -> dict[str, str | None]:
        """Ids of the videos that the encoders were trained on -> sha256 of their source files, where known."""
        table = pq.read_table(io.BytesIO(storage.read_bytes(storage.join(self.path, SEEN))))
        ids = table.column("video_id").to_pylist()
        known = SHA256 in table.column_names
        return dict(zip(ids, table.column(SHA256).to_pylist() if known else [None] * len(ids), strict=True))

    def digest(self) -> str:
        """A hash of what `embed` depends on: the weights and what they expect of their input."""
        parts = [self._architecture()]
        for name, value in sorted(self.weights().items()):
            parts += [name.encode(), value.contiguous().numpy().tobytes()]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def architecture(self) -> str:
        """A hash of what `embed` depends on beside the weights: exports with the same have the same random twins."""
        return hashlib.sha256(self._architecture()).hexdigest()

    def _architecture(self) -> bytes:
        about = self.config.model_dump(mode="json", include={"video", "audio", "norm", "sample_rate"})
        return json.dumps(about, sort_keys=True).encode()

    def joint_space(self) -> JointSpace | None:
        """The projections into the space that video and sound share; None where the export has none.

        An export has them where it was trained with the loss between video and sound, from this version on.
        """
        return open_joint(self.path, self.config.norm)

    def random_twin(self, seed: int) -> Export:
        """The same networks with random weights: what an evaluation is compared with."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Export(self.path, self.config, None)

    def weights(self) -> dict[str, Tensor]:
        """The parameters and norm statistics of both encoders, on the CPU."""
        return {name: value.cpu() for name, value in self._encoders.state_dict().items()}

    def with_weights(self, weights: dict[str, Tensor]) -> Export:
        """The same networks with other weights."""
        return Export(self.path, self.config, weights)

    @torch.no_grad()
    def settle_norms(
        self, video: Sequence[np.ndarray | Tensor] = (), audio: Sequence[np.ndarray | Tensor] = ()
    ) -> None:
        """Set the statistics of batch norms to those of some clips, given in batches as for `embed`.

        A network that was never trained has none (mean 0, variance 1), and is a weaker floor than it need be.
        """
        norms = [m for m in self._encoders.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        before = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over batches
            norm.train()
        for batch in video:
            self._embed_video(torch.as_tensor(batch))
        for batch in audio:
            self._embed_audio(torch.as_tensor(batch))
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
        self._encoders.eval()

    @torch.inference_mode()
    def embed(
        self, video: np.ndarray | Tensor | None = None, audio: np.ndarray | Tensor | None = None
    ) -> Embedding:
        """Features of clips.

        `video`: (N, T, H, W, 3) uint8 at `config.fps`, T = `config.n_frames`, any H and W: the centre square is
        resized to `config.size`. `audio`: (N, samples) float in [-1, 1] at `config.sample_rate`, any length of at
        least one STFT window. Raises `CallError` for another shape or type, for sound that is far beyond that range
        or not finite, and where there is neither.
        """
        if video is None and audio is None:
            raise CallError("embed wants video, audio or both", code="bad_input")
        return Embedding(
            None if video is None else self._embed_video(torch.as_tensor(video)),
            None if audio is None else self._embed_audio(torch.as_tensor(audio)),
        )

    def _embed_video(self, video: Tensor) -> Tensor:
        frames = self.config.n_frames
        if video.ndim != 5 or video.shape[-1] != 3 or video.dtype != torch.uint8 or video.shape[1] != frames:
            raise _bad_input("video", f"(N, {frames}, H, W, 3) uint8", video)
        n, _, height, width, _ = video.shape
        sizes = torch.tensor([[height, width]], device=self._device).expand(n, 2)
        params = torch.from_numpy(plain_video(width / height)).to(self._device).expand(n, -1)
        clips = apply_video(Canvas(video.to(self._device), sizes), params, self.config.size)
        return self._encoders.video_encoder(clips).float().cpu()

    def _embed_audio(self, audio: Tensor) -> Tensor:
        if self._log_mel is None:
            raise CallError("this export was trained without sound", code="no_audio_encoder", path=self.path)
        if audio.ndim != 2 or not audio.dtype.is_floating_point or audio.shape[1] < self._log_mel.n_fft:
            raise _bad_input("audio", f"(N, at least {self._log_mel.n_fft}) float", audio)
        largest = float(audio.abs().amax()) if audio.numel() else 0.0
        if not largest <= _LOUDEST:
            raise CallError(
                f"embed wants audio in [-1, 1], its largest value is {largest:g} (int16: divide by 32768)",
                code="bad_input",
                key="audio",
            )
        # Speed 1 goes through the same low-pass as in training.
        mel = self._log_mel(speed_up(audio.to(self._device).float(), 1))
        return self._encoders.audio_encoder(mel).float().cpu()


def load_export(path: str) -> Export:
    """Open an export folder (local or URL); raises `CallError` where there is none or it is broken."""
    file = require_export(path)
    try:
        config = validate(ExportConfig, json.loads(storage.read_bytes(file)))
        return Export(path, config, load_safetensors(storage.read_bytes(storage.join(path, WEIGHTS))))
    except (CallError, ValueError, OSError, RuntimeError, SafetensorError) as error:
        line = " ".join(str(error).split())[:300]
        raise CallError(f"the export at '{path}' is broken: {line}", code="bad_export", path=path) from error


def write_export(
    path: str, model: nn.Module, config: ExportConfig, seen: Mapping[str, str | None], joint: bool = False
) -> None:
    """Write an export folder; the config comes last, so that a folder with a config is whole.

    `model` has `video_encoder` and `audio_encoder`, and with `joint` the projections of the loss between them.
    `seen`: ids of the videos trained on -> sha256 of their files.
    """
    encoders = ("video_encoder.", "audio_encoder.")
    state = {name: value for name, value in model.state_dict().items() if name.startswith(encoders)}
    _write_weights(storage.join(path, WEIGHTS), state)
    if joint:
        _write_weights(storage.join(path, JOINT), joint_weights(model))
    columns = {"video_id": list(seen), SHA256: list(seen.values())}
    buffer = io.BytesIO()
    pq.write_table(pa.table({name: pa.array(v, pa.string()) for name, v in columns.items()}), buffer)
    storage.write_bytes(storage.join(path, SEEN), buffer.getvalue())
    text = json.dumps(config.model_dump(mode="json"), indent=2, sort_keys=True)
    storage.write_bytes(storage.join(path, CONFIG), text.encode())


def _write_weights(file: str, state: Mapping[str, Tensor]) -> None:
    weights = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    storage.write_bytes(file, save_safetensors(weights))


def _bad_input(key: str, wanted: str, got: Tensor) -> CallError:
    shape: Any = tuple(got.shape)
    return CallError(f"embed wants {key} as {wanted}, got {shape} {got.dtype}", code="bad_input", key=key)
