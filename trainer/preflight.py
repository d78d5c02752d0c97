"""What of a call can be found wrong before anything is started or written."""

from __future__ import annotations

import os
import sys

import torch

from chronav.errors import CallError
from chronav.progress import say
from trainer.config import AudioConfig, PretrainConfig
from trainer.mixture import row_counts
from trainer.model import AudioVisualModel
from trainer.reads import table_rows
from trainer.sound import LogMel
from trainer.tables import TrainingData


def check(data: TrainingData, config: PretrainConfig) -> None:
    """Say what there is to train on; raises `CallError` where it or this machine does not fit the config."""
    segments = sum(len(group.rows) for group in data.train)
    if data.plan(config).lane_length == 0:
        raise CallError(
            f"config key 'lanes': {segments} training segments are too few for {config.lanes} lanes",
            code="bad_value",
            key="lanes",
        )
    shares = _shares(data)
    if data.sample_rate:
        _check_sound(config.audio, data.sample_rate)
    if not _joins_cluster():
        check_norm(config, torch.cuda.device_count())
    # Names of encoders and shapes of networks are settled here, before anything is started or written.
    with torch.device("meta"):
        AudioVisualModel(config)
    say(
        f"pretrain: {segments} segments of {data.train_videos.num_rows} videos to train on, "
        f"{data.heldout_videos} videos held out, {data.excluded_rows} segments excluded, "
        f"{data.short_rows} too short"
    )
    for line in shares:
        say(f"pretrain: {line}")
    if config.warmup_steps > config.steps:
        say(
            f"pretrain: warm-up ({config.warmup_steps} steps) outlasts the run ({config.steps}): "
            "the learning rate never reaches its peak"
        )


def _shares(data: TrainingData) -> list[str]:
    """What each table's weight comes to, a line each; raises `CallError` for a weight that takes no segment."""
    if data.weights is None:
        return []
    lines = []
    rows = table_rows(data.train, len(data.sources))
    for source, own, taken in zip(data.sources, rows, row_counts(rows, data.weights), strict=True):
        if not (own and taken):
            why = "is too small for one segment an epoch" if own else "finds no segment to train on"
            raise CallError(
                f"the weight {source.weight:g} of table '{source.path}' {why}", code="bad_value", key="table"
            )
        share, times = taken / sum(rows), taken / own
        lines.append(f"{share:.1%} of an epoch from {source.path}: its {own} segments {times:.3g} times each")
    return lines


def _check_sound(audio: AudioConfig, sample_rate: int) -> None:
    """What of the sound's settings works or not depending on the sample rate of the tables."""
    mel = LogMel(audio, sample_rate)
    clip = round(audio.clip_s * sample_rate)
    wrong = {
        "window_s": (mel.n_window < 1, "less than a sample"),
        "hop_s": (mel.hop < 1, "less than a sample"),
        "clip_s": (clip < mel.n_fft, f"{clip} samples, fewer than the {mel.n_fft} of one spectrum"),
        "f_min": (not bool(mel.bank.sum() > 0), "above all bands that this sound has"),
    }
    for key, (is_wrong, why) in wrong.items():
        if is_wrong:
            raise CallError(
                f"config key 'audio.{key}': {getattr(audio, key):g} is {why} (the sound has {sample_rate} Hz)",
                code="bad_value",
                key=f"audio.{key}",
            )


def check_norm(config: PretrainConfig, gpus: float) -> None:
    """On CPUs `sync_batch` is plain batch normalisation at best: refused rather than trained in silence."""
    if config.norm == "sync_batch" and gpus < config.workers:
        raise CallError(
            f"config key 'norm': sync_batch needs a GPU for each of {config.workers} workers, there are {gpus:g}; "
            "use batch or group",
            code="bad_value",
            key="norm",
        )


def say_norm(config: PretrainConfig, gpus: float) -> None:
    """Say where workers take batch norm's statistics apart though their GPUs could exchange them."""
    if config.norm == "batch" and 1 < config.workers <= gpus:
        say(
            f"pretrain: norm=batch: each of {config.workers} workers takes its statistics from its own samples; "
            "norm=sync_batch exchanges them"
        )


def say_device(config: PretrainConfig, gpus: float) -> None:
    """Say where networks that are made for GPUs are about to be trained on CPUs."""
    if gpus < config.workers and config.video.encoder in ("r2plus1d_18", "r3d_18", "s3d"):
        say(
            f"pretrain: no GPU for each of {config.workers} workers: {config.video.encoder} on a CPU takes seconds a "
            "sample and gigabytes of memory; --recipe tiny is made for CPUs"
        )


def _joins_cluster() -> bool:
    """Whether Ray may be more than this machine: a connection that is there already, or one to be joined."""
    ray = sys.modules.get("ray")  # not imported here: `connected` settles Ray's environment before it does
    return bool(os.environ.get("RAY_ADDRESS")) or (ray is not None and ray.is_initialized())


def cluster_gpus() -> float:
    """GPUs of the cluster that Ray is connected to."""
    import ray

    return ray.cluster_resources().get("GPU", 0)
