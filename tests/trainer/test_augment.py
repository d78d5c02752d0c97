from __future__ import annotations

import numpy as np
import pytest
import torch

from trainer.augment import (
    AUDIO_PARAMS,
    VIDEO_PARAMS,
    Canvas,
    apply_audio,
    apply_video,
    cut_to_crop,
    draw_audio,
    draw_video,
    plain_audio,
    plain_video,
)
from trainer.config import AugmentConfig


def canvas(frames: np.ndarray) -> Canvas:
    n, _, h, w, _ = frames.shape
    return Canvas(torch.from_numpy(frames), torch.tensor([[h, w]]).expand(n, 2))


def params(**changes: float) -> torch.Tensor:
    values = dict(zip(VIDEO_PARAMS, plain_video(1.0), strict=True)) | changes
    return torch.tensor([[values[name] for name in VIDEO_PARAMS]], dtype=torch.float32)


def test_plain_parameters_give_the_centre_square():
    frames = np.random.default_rng(0).integers(0, 256, (1, 3, 8, 12, 3), dtype=np.uint8)
    out = apply_video(canvas(frames), torch.from_numpy(plain_video(12 / 8))[None], 8)
    expected = torch.from_numpy(frames[:, :, :, 2:10]).permute(0, 4, 1, 2, 3).float() / 255
    assert torch.allclose(out, expected, atol=1e-5)


def test_flip_mirrors_and_grey_has_equal_channels():
    frames = np.random.default_rng(1).integers(0, 256, (1, 2, 8, 8, 3), dtype=np.uint8)
    plain = apply_video(canvas(frames), params(), 8)
    assert torch.allclose(apply_video(canvas(frames), params(flip=1.0), 8), plain.flip(-1), atol=1e-5)
    luma = {f"m{i}{j}": c for i in range(3) for j, c in enumerate((0.299, 0.587, 0.114))}
    grey = apply_video(canvas(frames), params(**luma), 8)
    assert torch.allclose(grey[:, 0], grey[:, 1], atol=1e-5)
    assert torch.allclose(grey[:, 0], grey[:, 2], atol=1e-5)


def test_every_frame_of_a_clip_is_treated_alike():
    """A still clip stays still under any drawn augmentation: a change between frames would tell time's direction."""
    rng = np.random.default_rng(2)
    still = np.repeat(rng.integers(0, 256, (16, 1, 20, 26, 3), dtype=np.uint8), 5, axis=1)
    drawn = np.stack([draw_video(rng, AugmentConfig(p_fade=0.5), 26 / 20) for _ in range(16)])
    out = apply_video(canvas(still), torch.from_numpy(drawn), 16)
    assert torch.equal(out, out[:, :, :1].expand_as(out))
    assert float(out.min()) >= 0
    assert float(out.max()) <= 1
    assert len({tuple(row) for row in drawn.tolist()}) == 16


def test_a_fade_takes_what_stands_still_and_leaves_what_moves():
    frames = np.full((1, 4, 8, 8, 3), 51, np.uint8)  # 0.2
    frames[0, :, 2, 2] = np.array([0, 255, 0, 255])[:, None]
    plain = apply_video(canvas(frames), params(), 8)
    gone = apply_video(canvas(frames), params(fade=1.0), 8)
    half = apply_video(canvas(frames), params(fade=0.5), 8)
    assert torch.allclose(plain[..., 5, 5], torch.full((1, 3, 4), 0.2), atol=1e-5)
    assert torch.allclose(gone[..., 5, 5], torch.full((1, 3, 4), 0.5), atol=1e-5)
    assert torch.allclose(half[..., 5, 5], torch.full((1, 3, 4), 0.35), atol=1e-5)
    assert torch.allclose(gone[0, 0, :, 2, 2], torch.tensor([0.0, 1.0, 0.0, 1.0]), atol=1e-5)
    backwards = apply_video(canvas(np.ascontiguousarray(frames[:, ::-1])), params(fade=0.7), 8)
    assert torch.allclose(backwards.flip(2), apply_video(canvas(frames), params(fade=0.7), 8), atol=1e-6)


def test_a_fade_is_drawn_as_often_as_asked():
    rng = np.random.default_rng(4)
    fades = np.array([draw_video(rng, AugmentConfig(p_fade=0.8), 1.0)[-1] for _ in range(2000)])
    assert abs((fades > 0).mean() - 0.8) < 0.04
    assert abs(fades[fades > 0].mean() - 0.5) < 0.04
    assert all(draw_video(rng, AugmentConfig(), 1.0)[-1] == 0 for _ in range(50))


def test_drawn_crops_stay_within_the_frame():
    rng = np.random.default_rng(3)
    for aspect in (0.5, 1.0, 1.78):
        for _ in range(200):
            left, top, width, height = draw_video(rng, AugmentConfig(), aspect)[:4]
            assert left >= 0
            assert top >= 0
            assert left + width <= 1 + 1e-6
            assert top + height <= 1 + 1e-6


def test_pictures_of_unequal_size_share_a_canvas_without_bleeding():
    frames = np.zeros((1, 2, 16, 16, 3), np.uint8)
    frames[:, :, :8, :10] = 200
    frames[:, :, 8:9, :10] = 200  # the repeated edge that batch.py writes
    frames[:, :, :8, 10:11] = 200
    mixed = Canvas(torch.from_numpy(frames), torch.tensor([[8, 10]]))
    out = apply_video(mixed, torch.from_numpy(plain_video(10 / 8))[None], 12)
    assert torch.allclose(out, torch.full_like(out, 200 / 255), atol=1e-4)


def test_blur_keeps_a_flat_picture_and_softens_an_edge():
    frames = np.zeros((1, 2, 16, 16, 3), np.uint8)
    frames[:, :, :, 8:] = 255
    sharp = apply_video(canvas(frames), params(), 16)
    soft = apply_video(canvas(frames), params(blur_sigma=2.0), 16)
    assert float(sharp.diff(dim=-1).abs().max()) == 1
    assert float(soft.diff(dim=-1).abs().max()) < 0.3
    assert torch.allclose(soft.mean(), sharp.mean(), atol=0.02)


def test_audio_gain_noise_floor_and_masks():
    mel = torch.randn(2, 10, 20, generator=torch.Generator().manual_seed(0))
    plain = torch.from_numpy(np.stack([plain_audio()] * 2))
    assert torch.allclose(apply_audio(mel, plain), mel, atol=1e-6)
    values = torch.tensor([[10.0, -np.inf, 0.0, 0.5, 0.0, 0.2], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    out = apply_audio(mel, values)
    assert (out[0, :, :10] == 0).all()
    assert (out[0, :2] == 0).all()
    assert torch.allclose(out[0, 2:, 10:], mel[0, 2:, 10:] + np.log(10), atol=1e-5)
    assert torch.allclose(out[1], torch.log(mel[1].exp() + 1), atol=1e-5)
    assert len(draw_audio(np.random.default_rng(0), AugmentConfig())) == len(AUDIO_PARAMS)


def test_a_clip_is_blurred_alike_whatever_else_is_in_its_batch():
    frames = np.random.default_rng(0).integers(0, 256, (2, 4, 24, 24, 3), dtype=np.uint8)
    mild, strong = params(blur_sigma=0.4), params(blur_sigma=2.0)
    alone = apply_video(canvas(frames[:1]), mild, 16)
    together = apply_video(canvas(frames), torch.cat([mild, strong]), 16)
    torch.testing.assert_close(together[:1], alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(24, 32), (32, 24), (17, 17)])
def test_the_pixels_of_the_crop_are_all_that_it_needs(size):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, 4, *size, 3), dtype=np.uint8)
    smaller = 0
    for _ in range(100):
        whole = np.stack([draw_video(rng, AugmentConfig(p_blur=0.5), size[1] / size[0]) for _ in frames])
        for clip, params in zip(frames, whole, strict=True):
            expected = apply_video(canvas(clip[None]), torch.from_numpy(params)[None], 16)[0]
            box, relative = cut_to_crop(params, size)
            cut = np.ascontiguousarray(clip[:, box.top : box.bottom, box.left : box.right])
            smaller += cut.size < clip.size
            # Around the picture lies what must not be seen.
            around = np.full((1, 4, size[0] + 2, size[1] + 2, 3), 255, np.uint8)
            h, w = cut.shape[1:3]
            around[0, :, :h, :w] = cut
            around[0, :, h : h + 1, :w], around[0, :, :h, w : w + 1] = cut[:, -1:], cut[:, :, -1:]
            on_canvas = Canvas(torch.from_numpy(around), torch.tensor([[h, w]]))
            shown = apply_video(on_canvas, torch.from_numpy(relative)[None], 16)[0]
            torch.testing.assert_close(shown, expected, atol=2e-5, rtol=0)
    assert smaller > 150
