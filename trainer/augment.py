"""Appearance augmentation: parameters drawn once a clip on the CPU, applied in batches on the device."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from trainer.config import AugmentConfig

# Columns of a video clip's parameters.
VIDEO_PARAMS = ("left", "top", "width", "height", "flip", *(f"m{i}{j}" for i in range(3) for j in range(3)))
VIDEO_PARAMS += ("brightness", "contrast", "blur_sigma", "fade")
# Columns of an audio clip's parameters: shares of the clip or of the bands, dB.
AUDIO_PARAMS = ("gain_db", "noise_db", "time_from", "time_to", "band_from", "band_to")

_LUMA = np.array([0.299, 0.587, 0.114])
_MID_GREY = 0.5
_NO_NOISE = -np.inf
_NEPERS_A_DB = np.log(10) / 10  # of power


def draw_video(rng: np.random.Generator, config: AugmentConfig, aspect: float) -> np.ndarray:
    """Parameters of one video clip; `aspect` is width / height of its frames. (len(VIDEO_PARAMS),) float32."""
    scale = rng.uniform(config.crop_scale_min, 1.0)
    ratio = np.exp(rng.uniform(-1, 1) * np.log(config.crop_aspect_max))
    # The crop's area is a share of the largest square of the frame; both sides stay within the frame.
    short = min(aspect, 1.0)
    width = min(np.sqrt(scale * ratio) * short, aspect) / aspect
    height = min(np.sqrt(scale / ratio) * short, 1.0)
    left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    flip = float(rng.random() < config.p_flip)
    matrix, brightness, contrast = np.eye(3), 1.0, 1.0
    if rng.random() < config.p_jitter:
        brightness = 1 + rng.uniform(-1, 1) * config.brightness
        contrast = 1 + rng.uniform(-1, 1) * config.contrast
        saturation = 1 + rng.uniform(-1, 1) * config.saturation
        matrix = _saturate(saturation) @ _rotate_hue(rng.uniform(-1, 1) * config.hue)
    if rng.random() < config.p_grey:
        matrix = _saturate(0.0)
    sigma = rng.uniform(0.1, config.blur_sigma_max) if rng.random() < config.p_blur else 0.0
    fade = rng.uniform() if rng.random() < config.p_fade else 0.0
    values = [left, top, width, height, flip, *matrix.ravel(), brightness, contrast, sigma, fade]
    return np.array(values, dtype=np.float32)


def plain_video(aspect: float) -> np.ndarray:
    """Parameters of the centre square crop with nothing else changed."""
    width, height = min(1.0, 1.0 / aspect), min(1.0, aspect)
    values = [(1 - width) / 2, (1 - height) / 2, width, height, 0.0, *np.eye(3).ravel(), 1.0, 1.0, 0.0, 0.0]
    return np.array(values, dtype=np.float32)


def draw_audio(rng: np.random.Generator, config: AugmentConfig) -> np.ndarray:
    """Parameters of one audio clip: (len(AUDIO_PARAMS),) float32."""
    gain = rng.uniform(-1, 1) * config.gain_db
    noise = _NO_NOISE
    if rng.random() < config.p_noise:
        noise = rng.uniform(config.noise_db_min, config.noise_db_max)
    time_width, band_width = rng.uniform(0, config.time_mask), rng.uniform(0, config.frequency_mask)
    time_from, band_from = rng.uniform(0, 1 - time_width), rng.uniform(0, 1 - band_width)
    values = [gain, noise, time_from, time_from + time_width, band_from, band_from + band_width]
    return np.array(values, dtype=np.float32)


def plain_audio() -> np.ndarray:
    """Parameters that change nothing."""
    return np.array([0.0, _NO_NOISE, 0.0, 0.0, 0.0, 0.0], dtype=np.float32)


class Box(NamedTuple):
    """Pixels of a frame, from `top` to before `bottom` and from `left` to before `right`."""

    top: int
    left: int
    bottom: int
    right: int


def cut_to_crop(params: np.ndarray, size: tuple[int, int]) -> tuple[Box, np.ndarray]:
    """The pixels that a clip's crop looks at, and its parameters relative to these: the same picture comes out.

    `params`: (len(VIDEO_PARAMS),) relative to a frame of `size`, height and width. Bilinear sampling looks half a
    pixel beyond the crop, and one pixel further for its second neighbour.
    """
    height, width = size
    values = params.astype(np.float64)
    left, top = values[0] * width, values[1] * height
    across, down = values[2] * width, values[3] * height
    box = Box(
        max(math.floor(top - 0.5), 0),
        max(math.floor(left - 0.5), 0),
        min(math.floor(top + down - 0.5) + 2, height),
        min(math.floor(left + across - 0.5) + 2, width),
    )
    h, w = box.bottom - box.top, box.right - box.left
    values[:4] = (left - box.left) / w, (top - box.top) / h, across / w, down / h
    return box, values.astype(np.float32)


@dataclass(frozen=True)
class Canvas:
    """Frames of unequal sizes on one canvas, each in the upper left corner."""

    frames: Tensor  # (N, T, H, W, 3) uint8
    sizes: Tensor  # (N, 2) height and width of the picture on the canvas


def apply_video(canvas: Canvas, params: Tensor, size: int) -> Tensor:
    """Crop, resize, flip, colour and blur whole clips: -> (N, 3, T, size, size) float in [0, 1].

    `params`: (N, len(VIDEO_PARAMS)). Every frame of a clip gets the same treatment: a change from frame to frame
    would tell the direction of time.
    """
    n, t, height, width, _ = canvas.frames.shape
    flat = canvas.frames.permute(0, 1, 4, 2, 3).reshape(n, t * 3, height, width).float() / 255
    picked = nn.functional.grid_sample(
        flat, _grid(canvas, params, size), mode="bilinear", padding_mode="border", align_corners=False
    )  # (N, T * 3, size, size)
    if bool((params[:, 16] > 0).any()):
        picked = _blur(picked, params[:, 16])
    clip = picked.reshape(n, t, 3, size, size)
    matrix = params[:, 5:14].reshape(n, 3, 3)
    clip = torch.einsum("nij,ntjhw->nithw", matrix, clip)  # (N, 3, T, size, size)
    clip = clip * params[:, 14].view(n, 1, 1, 1, 1)
    mean = clip.mean(dim=(1, 2, 3, 4), keepdim=True)
    clip = (clip - mean) * params[:, 15].view(n, 1, 1, 1, 1) + mean
    return _fade(clip, params[:, 17]).clamp(0, 1)


def apply_audio(mel: Tensor, params: Tensor) -> Tensor:
    """Gain, a noise floor and masks on level-free log-mels: (N, bands, frames) -> the same shape.

    `params`: (N, len(AUDIO_PARAMS)). The noise is a stationary floor of power, flat over the bands.
    """
    n, bands, frames = mel.shape
    gain, noise, *masks = (column.view(n, 1, 1) for column in params.to(mel.device).unbind(1))
    noisy = torch.logaddexp(mel, (noise * _NEPERS_A_DB).expand_as(mel))
    out = noisy + gain * _NEPERS_A_DB
    time = (torch.arange(frames, device=mel.device) + 0.5).view(1, 1, -1) / frames
    band = (torch.arange(bands, device=mel.device) + 0.5).view(1, -1, 1) / bands
    hidden = ((time >= masks[0]) & (time < masks[1])) | ((band >= masks[2]) & (band < masks[3]))
    return out.masked_fill(hidden, 0.0)


def _grid(canvas: Canvas, params: Tensor, size: int) -> Tensor:
    """Where each output pixel looks on the canvas, in grid_sample's [-1, 1]: (N, size, size, 2)."""
    n, _, height, width, _ = canvas.frames.shape
    sizes = canvas.sizes.float()
    steps = (torch.arange(size, device=params.device) + 0.5) / size  # (size,)
    across = torch.where(params[:, 4:5] > 0, 1 - steps, steps)  # (N, size)
    x = (params[:, 0:1] + params[:, 2:3] * across) * sizes[:, 1:2] / width
    y = (params[:, 1:2] + params[:, 3:4] * steps) * sizes[:, 0:1] / height
    x = x.view(n, 1, size).expand(n, size, size)
    y = y.view(n, size, 1).expand(n, size, size)
    return torch.stack([x, y], dim=-1) * 2 - 1


def _fade(clip: Tensor, fade: Tensor) -> Tensor:
    """Fade what stands still towards mid-grey: (N, C, T, H, W), `fade` (N,) from 0, as it was, to 1, gone.

    What stands still is each pixel's mean over the clip, which is the same forwards and backwards.
    """
    still = clip.mean(dim=2, keepdim=True)
    return clip - fade.view(-1, 1, 1, 1, 1) * (still - _MID_GREY)


def _blur(pictures: Tensor, sigma: Tensor) -> Tensor:
    """Separable Gaussian blur with one sigma (pixels) a clip; sigma 0 leaves a clip as it is."""
    n, channels, height, width = pictures.shape
    reach = (3 * sigma).round().clamp_min(1).unsqueeze(1)  # each clip's own, whatever else is in the batch
    radius = int(reach.max())
    at = torch.arange(-radius, radius + 1, device=pictures.device)
    kernel = torch.exp(-0.5 * (at / sigma.clamp_min(1e-3).unsqueeze(1)) ** 2) * (at.abs() <= reach)
    kernel = kernel / kernel.sum(dim=1, keepdim=True)  # (N, 2 * radius + 1)
    x = pictures.transpose(0, 1)  # (channels, N, H, W): one group a clip
    pad = nn.functional.pad(x, (radius, radius, radius, radius), mode="replicate")
    x = nn.functional.conv2d(pad, kernel.view(n, 1, 1, -1), groups=n)
    x = nn.functional.conv2d(x, kernel.view(n, 1, -1, 1), groups=n)
    return x.transpose(0, 1).reshape(n, channels, height, width)


def _saturate(amount: float) -> np.ndarray:
    """Colour matrix that mixes a pixel with its luma; 0 is greyscale."""
    return amount * np.eye(3) + (1 - amount) * np.tile(_LUMA, (3, 1))


def _rotate_hue(turns: float) -> np.ndarray:
    """Colour matrix that rotates the chroma plane of YIQ."""
    to_yiq = np.array([_LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    c, s = np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)
    rotation = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    return np.linalg.inv(to_yiq) @ rotation @ to_yiq
