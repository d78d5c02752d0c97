"""Every number of the method, typed and checked. Defaults are those of the method (docs/method.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from chronav.config import Config

Probability = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]
Blocks = Annotated[int, Field(ge=1)]
Norm = Literal["batch", "sync_batch", "group"]

HEADS = ("speed_v", "speed_a", "direction_v", "direction_a", "order_vv", "order_aa", "order_va")
"""The seven temporal tasks."""


class VideoConfig(Config):
    """The video encoder and the clips that it sees."""

    encoder: str = Field(
        "r2plus1d_18", description="r2plus1d_18, r3d_18, s3d, r2plus1d_small, or module:Class"
    )
    width: int = Field(64, ge=4, description="channels of the first stage (r2plus1d_small)")
    stages: int = Field(4, ge=2, le=5, description="stages of the network (r2plus1d_small)")
    n_frames: int = Field(16, ge=4, description="frames a clip")
    size: int = Field(112, ge=16, description="height and width of a clip, pixels")


class AudioConfig(Config):
    """The audio encoder and the log-mel spectrograms that it sees."""

    width: int = Field(64, ge=4, description="channels of the first stage; 64 as in ResNet-18")
    blocks: tuple[Blocks, ...] = Field(
        (2, 2, 2, 2), strict=False, min_length=2, description="blocks a stage, at least one in each"
    )
    clip_s: float = Field(1.0, gt=0, le=8, description="seconds of a clip after speed-up")
    n_mels: int = Field(80, ge=8, description="mel bands")
    window_s: float = Field(0.025, gt=0, description="STFT window, seconds")
    hop_s: float = Field(0.010, gt=0, description="STFT hop, seconds")
    f_min: float = Field(60.0, ge=0, description="lower edge of the lowest mel band, Hz")
    f_max: float = Field(
        7000.0, gt=0, le=7000, description="upper edge of the top band, Hz: below any codec's cut-off"
    )
    power_floor: float = Field(1e-7, gt=0, description="added to the mel power before the logarithm")

    @model_validator(mode="after")
    def _possible(self) -> AudioConfig:
        if self.clip_s < self.window_s:
            raise ValueError(f"clip_s ({self.clip_s:g}) must be at least window_s ({self.window_s:g})")
        if self.f_min >= self.f_max:
            raise ValueError(f"f_min ({self.f_min:g}) must be below f_max ({self.f_max:g})")
        return self


class SamplingConfig(Config):
    """How two windows are drawn from a segment."""

    speeds: tuple[int, ...] = Field((1, 2, 4, 8), strict=False, min_length=1, description="strides")
    p_backward: Probability = Field(0.5, description="probability that a clip is reversed")
    audio_follows_video: bool = Field(False, description="sound takes the speed and direction of its video")

    @model_validator(mode="after")
    def _ascending(self) -> SamplingConfig:
        if list(self.speeds) != sorted(set(self.speeds)) or self.speeds[0] < 1:
            raise ValueError("speeds must be ascending whole numbers of at least 1")
        return self


class AugmentConfig(Config):
    """Appearance augmentation, drawn once a clip and applied on the device."""

    crop_scale_min: float = Field(0.4, gt=0, le=1, description="smallest share of the frame's area")
    crop_aspect_max: float = Field(4 / 3, ge=1, description="largest aspect ratio of a crop")
    p_flip: Probability = Field(0.5, description="horizontal flip")
    p_jitter: Probability = Field(0.8, description="colour jitter")
    brightness: float = Field(0.4, ge=0, lt=1, description="largest relative change")
    contrast: float = Field(0.4, ge=0, lt=1, description="largest relative change")
    saturation: float = Field(0.4, ge=0, le=1, description="largest relative change")
    hue: float = Field(0.1, ge=0, le=0.5, description="largest rotation, turns")
    p_grey: Probability = Field(0.2, description="greyscale")
    p_blur: Probability = Field(0.5, description="Gaussian blur")
    blur_sigma_max: float = Field(2.0, gt=0, description="pixels; the least is 0.1")
    p_fade: Probability = Field(0.0, description="the still background fades, by a share drawn from 0 to 1")
    gain_db: float = Field(6.0, ge=0, description="largest change of the sound's level")
    noise_db_min: float = Field(-30.0, description="quietest added noise floor, dB of the clip's mean band")
    noise_db_max: float = Field(-10.0, description="loudest added noise floor, dB of the clip's mean band")
    p_noise: Probability = Field(0.5, description="added noise floor")
    time_mask: float = Field(0.15, ge=0, lt=1, description="largest share of the clip masked in time")
    frequency_mask: float = Field(0.2, ge=0, lt=1, description="largest share of the bands masked")

    @model_validator(mode="after")
    def _noise_range(self) -> AugmentConfig:
        low, high = self.noise_db_min, self.noise_db_max
        if low > high:
            raise ValueError(f"noise_db_min ({low:g}) must be at most noise_db_max ({high:g})")
        return self


class LossConfig(Config):
    """Weights and constants of the objective."""

    lambda_t: Weight = Field(1.0, description="weight of the seven temporal losses; small networks need 5")
    speed_v: Weight = Field(1.0, description="weight of video speed")
    speed_a: Weight = Field(1.0, description="weight of audio speed")
    direction_v: Weight = Field(1.0, description="weight of video direction")
    direction_a: Weight = Field(1.0, description="weight of audio direction")
    order_vv: Weight = Field(1.0, description="weight of order within video")
    order_aa: Weight = Field(1.0, description="weight of order within audio")
    order_va: Weight = Field(1.0, description="weight of order across video and audio")
    vv: Weight = Field(1.0, description="weight of the contrastive loss among video clips")
    va: Weight = Field(1.0, description="weight of the contrastive loss between videos and their audio")
    aa: Weight = Field(0.0, description="weight of the contrastive loss among audio clips")
    tau: float = Field(0.1, gt=0, description="temperature of the contrastive loss")
    keys: Literal["momentum", "online"] = Field(
        "momentum",
        description="who makes the keys: the momentum model, or the model itself, with gradient for the usual pairs "
        "and without for the banks: learns sooner in a run of a thousand steps",
    )
    bank_size: int = Field(
        65_536, ge=0, description="K, keys a memory bank holds; at most half an epoch's samples"
    )
    bank_min_fill: int = Field(
        4096, ge=1, description="entries (or a quarter of the bank) without which only usual pairs are used"
    )
    n_positives: int = Field(1, ge=0, description="extra positives a query")
    n_top: int = Field(5, ge=1, description="nearest neighbours among which extra positives are drawn")
    tau_positive: float = Field(0.1, gt=0, description="temperature of drawing extra positives")
    n_negatives: int = Field(4096, ge=0, description="extra negatives a query")
    negative_share: float = Field(
        0.25, gt=0, le=1, description="largest share of the bank drawn as negatives"
    )
    skip_share: float = Field(
        0.005, ge=0, lt=1, description="most similar share of the bank that is never a negative"
    )
    tau_negative: float = Field(0.1, gt=0, description="temperature of drawing extra negatives")

    @model_validator(mode="after")
    def _positives_among_the_nearest(self) -> LossConfig:
        if self.n_positives > self.n_top:
            raise ValueError(f"n_positives ({self.n_positives}) must not exceed n_top ({self.n_top})")
        return self

    @model_validator(mode="after")
    def _something_to_learn(self) -> LossConfig:
        temporal = self.lambda_t and any(getattr(self, head) for head in HEADS)
        if not (temporal or self.vv or self.va or self.aa):
            raise ValueError(
                f"nothing to learn: vv, va, aa and lambda_t ({self.lambda_t:g}) times any of {', '.join(HEADS)} are 0"
            )
        return self


class PretrainConfig(Config):
    """One pre-training run."""

    steps: int = Field(100_000, ge=1, description="optimiser steps")
    batch_size: int = Field(256, ge=2, description="samples a step, over all workers")
    seed: int = Field(0, ge=0, description="of every random choice")
    workers: int = Field(1, ge=1, description="Ray Train workers, one GPU each where there are GPUs")
    threads: int = Field(0, ge=0, description="CPU threads a worker; 0: its share of the machine")
    checkpoint_every: int = Field(1000, ge=1, description="steps between checkpoints")
    keep_checkpoints: int = Field(2, ge=1, description="latest checkpoints kept")
    log_every: int = Field(20, ge=1, description="steps between logged metrics")
    heldout_every: int = Field(2000, ge=1, description="steps between held-out measurements")
    heldout_fraction: float = Field(0.1, gt=0, lt=1, description="share of groups held out, by hash")
    heldout_draws: int = Field(4, ge=1, description="samples drawn from each held-out segment")
    max_failures: int = Field(2, ge=0, description="restarts after a lost worker")
    rank_alarm: float = Field(
        2.0, ge=0, description="effective rank of a projection below which a collapse is reported; 0: never"
    )
    probe_every: int = Field(1, ge=0, description="epochs between probes of a --probe table; 0: none")
    probe_videos: int = Field(2000, ge=2, description="most videos of a --probe table that are used")

    samples_per_row: int = Field(1, ge=1, description="samples drawn each time a segment is read")
    lanes: int = Field(8, ge=1, description="independent streams a batch is made of; a multiple of workers")
    window_row_groups: int = Field(4, ge=1, description="row groups among whose rows samples are shuffled")

    lr: float = Field(3e-4, gt=0, description="learning rate at batch lr_batch, scaled linearly")
    lr_batch: int = Field(256, ge=1, description="the batch size that lr is given for")
    weight_decay: float = Field(1e-4, ge=0, description="of AdamW; none on norms and biases")
    warmup_steps: int = Field(1000, ge=0, description="linear warm-up; may outlast `steps`")
    momentum: float = Field(
        0.996, ge=0, le=1, description="of the momentum model at the start; 1 at the end, by cosine"
    )
    export_weights: Literal["online", "momentum"] = Field(
        "online", description="which encoders are exported: the trained ones, or their moving average"
    )
    grad_clip: float = Field(1.0, gt=0, description="largest gradient norm")
    accumulate: int = Field(
        1, ge=1, description="micro-batches that a worker cuts its part of a batch into, to save memory"
    )
    precision: Literal["float32", "bf16"] = Field(
        "float32", description="arithmetic of the networks; the losses are float32 in any case"
    )
    compile: bool = Field(False, description="torch.compile the encoders")

    norm: Norm = Field("batch", description="normalisation of all networks; sync_batch needs GPUs")
    projection_hidden: int = Field(512, ge=8, description="hidden units of a projection")
    projection_dim: int = Field(128, ge=8, description="dimension of the contrastive space")
    head_hidden: int = Field(256, ge=8, description="hidden units of an order head")

    video: VideoConfig = VideoConfig()
    audio: AudioConfig = AudioConfig()
    sampling: SamplingConfig = SamplingConfig()
    augment: AugmentConfig = AugmentConfig()
    loss: LossConfig = LossConfig()

    @model_validator(mode="after")
    def _consistent(self) -> PretrainConfig:
        if self.export_weights == "momentum" and self.loss.keys == "online":
            raise ValueError("export_weights=momentum needs loss.keys=momentum: else there is no average")
        if self.lanes % self.workers:
            raise ValueError(f"lanes ({self.lanes}) must be a multiple of workers ({self.workers})")
        if self.batch_size % self.lanes:
            raise ValueError(f"batch_size ({self.batch_size}) must be a multiple of lanes ({self.lanes})")
        if self.batch_size // self.workers % self.accumulate:
            raise ValueError(
                f"accumulate ({self.accumulate}) must divide a worker's share of a batch "
                f"({self.batch_size // self.workers})"
            )
        if self.accumulate > 1 and self.loss.keys == "online":
            raise ValueError(
                "accumulate needs loss.keys=momentum: online keys have gradients across the batch"
            )
        return self
