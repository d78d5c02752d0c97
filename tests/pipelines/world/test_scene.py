"""One video: what it depends on, and what it does not."""

from __future__ import annotations

import numpy as np

from pipelines.world import CLASSES, WorldConfig, render_video
from pipelines.world.look import draw_look

CONFIG = WorldConfig(size=32, duration_s=3.0)


def test_shapes_and_ranges() -> None:
    made = render_video(CONFIG, "Rattle", 1, 1)
    assert made.frames.shape == (48, 32, 32, 3)
    assert made.frames.dtype == np.uint8
    assert made.sound.shape == (48_000,)
    assert all(0 <= event.time_s < 3.0 for event in made.events)
    assert len(made.events) >= 3


def test_a_video_depends_on_seed_class_group_and_clip_only() -> None:
    first = render_video(CONFIG, "Hopper", 2, 3)
    more = CONFIG.model_copy(update={"videos_per_class": 90, "processes": 3, "codec": "lossless"})
    again = render_video(more, "Hopper", 2, 3)
    assert np.array_equal(first.frames, again.frames)
    assert np.array_equal(first.sound, again.sound)
    other_seed = CONFIG.model_copy(update={"seed": 1})
    for other in (
        render_video(CONFIG, "Hopper", 2, 4),
        render_video(CONFIG, "Hopper", 3, 3),
        render_video(CONFIG, "Rattle", 2, 3),
        render_video(other_seed, "Hopper", 2, 3),
    ):
        assert not np.array_equal(first.frames, other.frames)
        assert not np.array_equal(first.sound, other.sound)


def test_clips_of_a_group_share_their_background_and_no_other_do() -> None:
    def corners(label: str, group: int, clip: int) -> np.ndarray:
        frames = render_video(CONFIG, label, group, clip).frames
        return np.median(frames.reshape(48, -1, 3), axis=(0, 1))  # the background fills most of the frame

    same = corners("Hopper", 1, 1), corners("Hopper", 1, 2)
    assert np.abs(same[0] - same[1]).max() < 12
    others = [corners(label, group, 1) for label in CLASSES[:5] for group in (1, 2)]
    for i, one in enumerate(others):
        assert all(np.abs(one - other).max() > 0 for other in others[:i])


def test_things_stand_out_from_their_background() -> None:
    luma = np.array([0.299, 0.587, 0.114])
    for seed in range(100):
        look = draw_look(np.random.default_rng(seed), 32)
        assert 2 <= len(look.things) <= 4
        ground = (look.background @ luma).mean()
        assert all(abs(thing.colour @ luma - ground) > 0.25 for thing in look.things)
        assert all((thing.colour >= 0).all() and (thing.colour <= 1).all() for thing in look.things)


def test_the_motion_stays_in_the_frame() -> None:
    # What moves never touches the border: the pixels there keep still.
    for label in CLASSES:
        frames = render_video(CONFIG, label, 1, 1).frames.astype(int)
        border = np.concatenate([frames[:, 0], frames[:, -1], frames[:, :, 0], frames[:, :, -1]], axis=1)
        assert (np.ptp(border, axis=0).max(axis=-1) > 60).mean() < 0.15
