"""Samples travel from the tasks of Ray Data unchanged."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from pipelines.schema import CLIP_SCHEMA
from trainer.sample import decode_audio, make_sample
from trainer.stored import stored_row
from trainer.stream import Job, packed, rounds, unpacked


def test_samples_come_out_of_a_table_as_they_went_in(kit):
    config = kit.toy_config()
    rows = [kit.row(1), kit.row(2, sound=False), kit.row(3, seconds=0.2)]
    stored = [stored_row(pa.Table.from_pylist([row], schema=CLIP_SCHEMA), 0) for row in rows]
    sent = [
        (lane, make_sample(row, decode_audio(row, kit.rate), lane, config, kit.rate))
        for lane, row in enumerate(stored)
    ]
    got = list(unpacked(packed(sent)))
    assert [lane for lane, _ in got] == [0, 1, 2]
    assert got[2][1] is None
    for (_, before), (_, after) in zip(sent[:2], got[:2], strict=True):
        assert before is not None and after is not None
        for field in dataclasses.fields(before):
            np.testing.assert_equal(getattr(after, field.name), getattr(before, field.name))
        assert after.frames.shape == before.frames.shape


def test_pictures_are_not_copied(kit):
    row = stored_row(pa.Table.from_pylist([kit.row(1)], schema=CLIP_SCHEMA), 0)
    sample = make_sample(row, decode_audio(row, kit.rate), 0, kit.toy_config(), kit.rate)
    assert sample is not None
    ((_, got),) = unpacked(packed([(0, sample)]))
    assert got is not None
    assert np.shares_memory(got.frames, sample.frames)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_any_picture_of_any_row_is_found_whatever_kind_of_binary_a_file_holds(kit, kind):
    jpegs = [[b"a", b"bc"], [b"def", b"", b"g"], [], None]
    rows = [kit.row(i, frames=some) for i, some in enumerate(jpegs)]
    table = pa.Table.from_pylist(rows, schema=CLIP_SCHEMA)
    at = table.schema.get_field_index("frames")
    table = table.set_column(at, "frames", pa.array(jpegs, pa.list_(kind)))
    for row, some in enumerate(jpegs):
        frames = stored_row(table, row).frames
        assert [bytes(frames[i]) for i in range(len(some or []))] == (some or [])


@pytest.mark.parametrize(
    ("samples", "least", "sizes"),
    [
        ([10] * 20, 1, [8, 8, 4]),  # small jobs: as many as keep the cores busy
        ([300] * 5, 1, [2, 2, 1]),  # large ones: as many as make enough samples
        ([300] * 9, 4, [4, 4, 1]),  # but one for each lane, or some lane would wait for the next round
        ([], 2, []),
    ],
)
def test_a_round_is_bounded_by_its_samples(samples, least, sizes):
    made = list(rounds((Job(bytes([i]), n) for i, n in enumerate(samples)), least))
    assert [len(jobs) for jobs in made] == sizes
    assert b"".join(blob for jobs in made for blob in jobs) == bytes(range(len(samples)))


def test_no_more_jobs_are_taken_than_a_round_needs():
    taken = []
    jobs = (taken.append(i) or Job(b"", 512) for i in range(5))
    next(rounds(jobs, 1))
    assert taken == [0]
