"""What an evaluation may be told: one typed config for all protocols."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from chronav.config import Config
from evaluation.finetune.config import FinetuneConfig


class EmbedConfig(Config):
    """Keys of `chronav embed`."""

    modality: Literal["video", "audio"] = Field("video", description="whose features")
    level: Literal["clip", "video"] = Field(
        "clip", description="a row for each clip (and crop), or one a video, the mean of its clips"
    )
    clips: int = Field(10, ge=1, le=1000, description="clips (or windows of sound) a video, evenly spaced")
    crops: Literal[1, 3] = Field(1, description="squares a clip: the centre, or left, centre and right")
    window_s: float | None = Field(
        None,
        gt=0,
        le=60,
        description="seconds of a window of sound; unset: as long as a clip in pre-training",
    )
    batch_size: int = Field(16, ge=1, description="clips that go through the network at once")
    workers: int = Field(2, ge=1, description="processes that decode and embed, a CPU each")
    cache: str = Field("runs/cache", description="folder of clip tables made from media, and of features")


class EvaluateConfig(Config):
    """Keys of `chronav evaluate`; the defaults are the protocol of the literature where there is one."""

    seed: int = Field(0, ge=0, description="seeds random weights, label draws, folds and the bootstrap")
    clips: int = Field(10, ge=1, le=100, description="clips (or windows of sound) a video, evenly spaced")
    crops: Literal[1, 3] = Field(1, description="squares a clip: the centre, or left, centre and right")
    batch_size: int = Field(16, ge=1, description="clips that go through the network at once")
    workers: int = Field(
        2, ge=1, description="processes that decode and embed, a CPU each, if there are as many"
    )
    window_s: float | None = Field(
        None,
        gt=0,
        le=60,
        description="seconds of a window of sound; unset: as a clip in pre-training, at least 1",
    )
    c_grid: list[float] = Field(
        [0.001, 0.01, 0.1, 1.0, 10.0],
        min_length=1,
        description="inverse regularisation strengths of the linear classifiers, chosen in the training split",
    )
    kernel: Literal["linear", "rbf"] = Field("linear", description="audio: kernel of the SVM")
    pool: Literal["scores", "features"] = Field(
        "scores",
        description="audio: what is pooled over the windows of a recording: the SVM's scores (mean), or the features "
        "(mean and deviation, one example a recording, as of the classical descriptors)",
    )
    rbf_c_grid: list[float] = Field(
        [0.1, 1.0, 10.0, 100.0], min_length=1, description="the same of SVMs with an RBF kernel"
    )
    inner_folds: int = Field(
        3, ge=2, le=10, description="grouped folds within the training split that choose C"
    )
    folds: int = Field(5, ge=2, le=100, description="folds of data without official splits")
    seeds: int = Field(
        1, ge=1, le=20, description="seeds, from `seed` on, that everything random is repeated with"
    )
    supervised: str | None = Field(
        None,
        description="file of a torchvision video network's weights (r2plus1d_18, r3d_18, s3d), as a baseline",
    )
    labels: int | None = Field(None, ge=2, description="linear: also train on this many labelled videos")
    draws: int = Field(10, ge=1, le=100, description="linear: how many draws of `labels` videos are averaged")
    labels_per_class: int | None = Field(
        None,
        ge=1,
        description="use only so many training videos of each class, drawn once a seed: fewer are a part of more",
    )
    finetune: FinetuneConfig = FinetuneConfig()
    bootstrap: int = Field(
        2000, ge=100, description="resamples (of groups, else of videos) of each 95 % interval"
    )
    neighbour_queries: int = Field(
        8, ge=0, le=100, description="retrieval: queries shown with their neighbours"
    )
    allow_seen: bool = Field(False, description="measure even on videos that the export was trained on")
    out: str = Field("runs/evaluate", description="folder of the reports")
    cache: str = Field("runs/cache", description="folder of clip tables made from media, and of features")
