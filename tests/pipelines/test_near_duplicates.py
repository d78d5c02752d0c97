from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipelines import near_duplicates
from pipelines.config import IngestConfig
from pipelines.decode import decode_file
from pipelines.near_duplicates import FRAMES, NearDuplicates, Signature, are_near, picture_hash


def picture(seed: int, height: int = 128, width: int = 170) -> np.ndarray:
    """A smooth random picture: uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = sum(
        rng.normal()
        / (1 + p + q)
        * np.cos(np.pi * p * x + rng.normal())
        * np.cos(np.pi * q * y + rng.normal())
        for p in range(6)
        for q in range(6)
    )
    grey = 128 + 50 * waves / np.abs(waves).max()
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def distance(a: int, b: int) -> int:
    return (a ^ b).bit_count()


def test_a_hash_survives_size_light_and_noise_and_tells_pictures_apart() -> None:
    noise = np.random.default_rng(0).normal(0, 6, (128, 170, 3))
    for seed in range(5):
        plain = picture_hash(picture(seed))
        noisy = np.clip(picture(seed) * 1.2 + 10 + noise, 0, 255).astype(np.uint8)
        assert distance(plain, picture_hash(noisy)) <= 8
        assert distance(plain, picture_hash(picture(seed, 64, 86))) <= 8
        assert distance(plain, picture_hash(picture(seed + 100))) >= 16


def test_flat_pictures_have_no_hash_and_small_ones_do() -> None:
    assert picture_hash(np.full((128, 170, 3), 16, np.uint8)) == 0
    assert picture_hash(picture(1, 16, 20)) != 0


def near(signature: Signature, flips: int, rng: random.Random) -> Signature:
    """As after re-coding: `flips` bits of each hash differ."""
    hashes = []
    for value in signature.hashes:
        for bit in rng.sample(range(63), flips):
            value ^= 1 << bit
        hashes.append(value)
    return Signature(signature.seconds + rng.uniform(-0.1, 0.1), tuple(hashes))


def test_near_duplicates_are_found_among_many_and_others_are_not() -> None:
    rng = random.Random(0)
    index = NearDuplicates()
    originals = [
        Signature(10.0, tuple(1 << 63 | rng.getrandbits(63) for _ in range(FRAMES))) for _ in range(5000)
    ]
    assert [index.add(f"v{i}", signature) for i, signature in enumerate(originals)] == [None] * 5000
    found = [index.add(f"w{i}", near(signature, 2, rng)) for i, signature in enumerate(originals)]
    assert set(found) <= {None, *(f"v{i}" for i in range(5000))}
    assert all(of in (None, f"v{i}") for i, of in enumerate(found))
    assert sum(of is not None for of in found) > 4500


def test_videos_that_were_loaded_are_found_as_well() -> None:
    rng = random.Random(0)
    known = [Signature(10.0, tuple(1 << 63 | rng.getrandbits(63) for _ in range(FRAMES))) for _ in range(300)]
    known += [Signature(10.0, (0, 0, 0, 7)), known[5]]  # one of them flat, one as the sixth
    loaded, added = NearDuplicates(), NearDuplicates()
    loaded.load((f"v{i}", str(signature)) for i, signature in enumerate(known))
    for i, signature in enumerate(known):
        added.add(f"v{i}", signature)
    for i, signature in enumerate(known[:300]):
        copy = near(signature, 2, rng)
        assert loaded.add(f"w{i}", copy) == added.add(f"w{i}", copy)
    assert loaded.add("x", known[5]) == "v5"
    assert loaded.add("y", Signature(10.0, (0, 0, 0, 7))) is None


def test_a_loaded_video_that_is_decoded_anew_is_forgotten() -> None:
    index = NearDuplicates()
    index.load([("a", str(Signature(10.0, (1, 2, 3, 4))))])
    index.forget(["a"])
    new = Signature(10.0, (0xFFFFFF << 40,) * FRAMES)
    assert index.add("a", new) is None
    assert index.add("b", Signature(10.0, (1, 2, 3, 4))) is None
    assert index.add("c", new) == "a"


def test_what_was_moved_to_sorted_arrays_is_still_the_earliest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "_RECENT_KEYS", 40)
    index = NearDuplicates()
    rng = random.Random(1)
    known = [Signature(10.0, tuple(1 << 63 | rng.getrandbits(63) for _ in range(FRAMES))) for _ in range(20)]
    assert [index.add(f"v{i}", signature) for i, signature in enumerate(known)] == [None] * 20
    assert [index.add(f"w{i}", signature) for i, signature in enumerate(known)] == [
        f"v{i}" for i in range(20)
    ]


def test_rows_are_marked_in_the_order_of_their_uris() -> None:
    signature = str(Signature(10.0, (1, 2, 3, 4)))
    rows = [
        {"source_uri": "/b", "video_id": "b", "picture_hash": signature},
        {"source_uri": "/a", "video_id": "a", "picture_hash": signature},
        {"source_uri": "/0", "video_id": "0", "picture_hash": None},
    ]
    assert NearDuplicates().mark(rows) == {"b": "a"}
    assert [row.get("near_duplicate_of") for row in rows] == ["a", None, None]


def test_how_near_is_near_is_said() -> None:
    signatures = Signature(10.0, (15, 15, 15, 15)), Signature(10.0, (14, 15, 15, 15))
    for bits, of in ((0.25, "a"), (0.0, None)):
        index = NearDuplicates(bits)
        assert index.add("a", signatures[0]) is None
        assert index.add("b", signatures[1]) == of


def test_a_video_is_no_duplicate_of_itself() -> None:
    index = NearDuplicates()
    signature = Signature(10.0, (1, 2, 3, 4))
    assert index.add("a", signature) is None
    assert index.add("a", signature) is None
    assert index.add("b", signature) == "a"


@pytest.mark.parametrize(
    ("other", "answer"),
    [
        (Signature(10.19, (15, 15, 15, 15)), True),
        (Signature(10.3, (15, 15, 15, 15)), False),  # lasts longer
        (Signature(10.0, (15, 15, 15, 2**33 - 1)), True),  # 29 bits in all
        (Signature(10.0, (15, 15, 2**33 - 1, 2**33 - 1)), False),
        (Signature(10.0, (15, 15, 0, 0)), True),
        (Signature(10.0, (15, 0, 0, 0)), False),  # flat but for one frame
    ],
)
def test_what_is_near(other: Signature, answer: bool) -> None:
    assert are_near(Signature(10.0, (15, 15, 15, 15)), other) is answer


def test_a_signature_as_text() -> None:
    signature = Signature.of(12.345, list(range(1, 41)))
    assert signature == Signature(12.345, (6, 16, 26, 36))
    assert Signature.parse(str(signature)) == signature
    assert Signature.of(1.0, []) is None


def test_a_file_coded_anew_and_another_file(tmp_path: Path, ffmpeg: Callable, as_item: Callable) -> None:
    def make(name: str, source: str, *options: object) -> Signature:
        ffmpeg("-f", "lavfi", "-i", source, *options, "-pix_fmt", "yuv420p", tmp_path / name)
        result = decode_file(as_item(tmp_path / name), IngestConfig(fps=8.0, short_side=64))
        return Signature.parse(result.picture_hash)

    zoom = "mandelbrot=s=320x240:r=25,trim=end=4"
    first = make("a.mp4", zoom)
    assert first.seconds == 4.0
    assert are_near(first, make("b.avi", f"{zoom},scale=160:120", "-c:v", "mpeg4", "-q:v", 12))
    assert not are_near(first, make("c.mp4", "testsrc2=s=320x240:r=25:d=4"))


@pytest.mark.realdata
def test_the_same_clip_from_two_collections(real_data: Path, as_item: Callable) -> None:
    index = NearDuplicates()
    found = {}
    for path in sorted((real_data / "vggsound" / "videos").iterdir()):
        result = decode_file(as_item(path), IngestConfig(fps=4.0, short_side=64))
        found[path.stem] = index.add(path.stem, Signature.parse(result.picture_hash))
    assert {name: of for name, of in found.items() if of} == {"mmaudiosep_vgg_canary": "0nib7bMm8BA_000015"}


@pytest.mark.parametrize("seed", range(20))
def test_marks_do_not_hang_on_where_a_run_was_killed(seed: int) -> None:
    rng = random.Random(seed)
    scene = [rng.getrandbits(64) | 1 for _ in range(FRAMES)]
    videos = {}  # of one scene, each a few bits from it: some are near to each other, others are not
    for number in range(12):
        flipped = [
            value ^ sum(1 << bit for bit in rng.sample(range(64), rng.randint(2, 9))) for value in scene
        ]
        videos[str(number)] = Signature(10.0, tuple(flipped))

    def marks(killed_after: int) -> list[str | None]:
        index, found = NearDuplicates(), {}
        for number, (name, signature) in enumerate(videos.items()):
            if number == killed_after:
                kept = [(name, str(videos[name])) for name, of in found.items() if of is None]
                index = NearDuplicates()
                index.load(kept)
            found[name] = index.add(name, signature)
        return list(found.values())

    undisturbed = marks(-1)
    assert all(marks(number) == undisturbed for number in range(1, 12))
