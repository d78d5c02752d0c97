"""An arena's arrays are apart from each other, and are found again."""

from __future__ import annotations

import numpy as np

from trainer.arena import Arena


def test_arrays_lie_apart_in_few_blocks():
    arena = Arena(block_bytes=4096)
    made = [arena.empty((n, 3), dtype) for n in (1, 100, 7) for dtype in (np.uint8, np.int16, np.float32)]
    for number, array in enumerate(made):
        array[:] = number
    assert all((array == number).all() for number, array in enumerate(made))
    assert [array.dtype for array in made[:3]] == [np.uint8, np.int16, np.float32]
    assert len(arena.blocks()) == 1
    for array in made:
        block, offset = arena.place(array)
        assert bytes(arena.blocks()[block][offset : offset + array.nbytes]) == array.tobytes()


def test_a_full_block_is_followed_by_another_and_a_large_array_has_its_own():
    arena = Arena(block_bytes=256)
    made = [arena.empty((200,), np.uint8) for _ in range(2)] + [arena.empty((1000,), np.uint8)]
    assert [arena.place(array) for array in made] == [(0, 0), (1, 0), (2, 0)]
    assert [len(block) for block in arena.blocks()] == [256, 256, 1000]


def test_what_lies_elsewhere_has_no_place():
    arena = Arena()
    assert arena.place(np.zeros(3)) is None
    arena.empty((3,), np.uint8)
    assert arena.place(np.zeros(3)) is None
