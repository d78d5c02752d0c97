"""Every number of fine-tuning, typed and checked. None of them is chosen by looking at test items."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from chronav.config import Config
from trainer.config import AugmentConfig, Probability

_LANES = 8


class FinetuneAugment(AugmentConfig):
    """Augmentation of labelled clips: milder than in pre-training, for colour may be what tells a class."""

    crop_scale_min: float = Field(0.5, gt=0, le=1, description="smallest share of the frame's area")
    brightness: float = Field(0.2, ge=0, lt=1, description="largest relative change")
    contrast: float = Field(0.2, ge=0, lt=1, description="largest relative change")
    saturation: float = Field(0.2, ge=0, le=1, description="largest relative change")
    hue: float = Field(0.05, ge=0, le=0.5, description="largest rotation, turns")
    p_grey: Probability = Field(0.0, description="greyscale")
    p_blur: Probability = Field(0.0, description="Gaussian blur")


class FinetuneConfig(Config):
    """How an encoder is fine-tuned; the same for one that begins with random weights, but for `layer_decay`."""

    modality: Literal["video", "audio"] = Field(
        "video", description="which encoder: that of video or of sound"
    )
    epochs: float = Field(
        50, gt=0, le=10_000, description="passes over the training segments; one clip of each a pass"
    )
    steps: int | None = Field(None, ge=1, description="optimiser steps; unset: as `epochs` has it")
    batch_size: int = Field(32, ge=2, description="clips a step, over all workers")
    lr: float = Field(1e-3, gt=0, le=1, description="peak learning rate of the head, and of all from scratch")
    layer_decay: float = Field(
        0.75, gt=0, le=1, description="learning rate of each stage relative to the one above it; 1: all alike"
    )
    weight_decay: float = Field(1e-2, ge=0, le=1, description="of AdamW; none on norms and biases")
    warmup: float = Field(
        0.1, ge=0, lt=1, description="share of the steps with a rising rate; then a cosine to 0"
    )
    label_smoothing: float = Field(
        0.1, ge=0, lt=1, description="share of the target spread evenly over all classes"
    )
    dropout: float = Field(
        0.2, ge=0, lt=1, description="share of the features hidden from the head in training"
    )
    grad_clip: float = Field(1.0, gt=0, description="largest gradient norm")
    precision: Literal["float32", "bf16"] = Field(
        "float32", description="arithmetic of the encoder; the loss is float32 in any case"
    )
    workers: int = Field(1, ge=1, description="Ray Train workers, one GPU each where there are GPUs")
    threads: int = Field(0, ge=0, description="CPU threads a worker; 0: its share of the machine")
    window_row_groups: int = Field(4, ge=1, description="row groups among whose rows clips are shuffled")
    checkpoint_every: int = Field(
        500, ge=1, description="steps between checkpoints, from which a killed run goes on"
    )
    log_every: int = Field(20, ge=1, description="steps between logged metrics")
    max_failures: int = Field(2, ge=0, description="restarts after a lost worker")
    augment: FinetuneAugment = FinetuneAugment()

    @model_validator(mode="after")
    def _shares(self) -> FinetuneConfig:
        if self.batch_size % self.workers:
            raise ValueError(f"batch_size ({self.batch_size}) must be a multiple of workers ({self.workers})")
        return self

    @property
    def lanes(self) -> int:
        """Streams that a batch is made of: the same for any number of workers that divides 8."""
        lanes = math.gcd(self.batch_size, _LANES)
        return lanes if lanes % self.workers == 0 else self.workers

    def steps_for(self, segments: int) -> int:
        """Optimiser steps on so many training segments."""
        return self.steps or max(1, math.ceil(self.epochs * segments / self.batch_size))
