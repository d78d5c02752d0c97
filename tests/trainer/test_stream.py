"""Samples travel from the tasks of Ray Data unchanged."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from pipelines.schema import CLIP_SCHEMA
from trainer.arena import Arena
from trainer.sample import decode_audio, make_sample
from trainer.stored import StoredRows, stored_row
from trainer.stream import Budget, Job, packed, rounds, unpacked


def test_samples_come_out_of_a_table_as_they_went_in(kit):
    config = kit.toy_config()
    rows = [kit.row(1), kit.row(2, sound=False), kit.row(3, seconds=0.2)]
    stored = [stored_row(pa.Table.from_pylist([row], schema=CLIP_SCHEMA), 0) for row in rows]
    arena = Arena(block_bytes=2**14)
    sent = [
        (lane, make_sample(row, decode_audio(row, kit.rate), lane, config, kit.rate, empty=arena.empty))
        for lane, row in enumerate(stored)
    ]
    assert len(arena.blocks()) > 1
    whole = packed(sent, arena)
    pieces = [whole.slice(i, 1) for i in range(len(whole))]  # as Ray Data may cut it
    for got in (list(unpacked([whole])), list(unpacked(pieces)), list(unpacked([whole, whole]))[3:]):
        assert [lane for lane, _ in got] == [0, 1, 2]
        assert got[2][1] is None
        for (_, before), (_, after) in zip(sent[:2], got[:2], strict=True):
            assert before is not None and after is not None
            for field in dataclasses.fields(before):
                np.testing.assert_equal(getattr(after, field.name), getattr(before, field.name))
            assert [f.shape for f in after.frames] == [f.shape for f in before.frames]


def test_media_are_not_copied(kit):
    row = stored_row(pa.Table.from_pylist([kit.row(1)], schema=CLIP_SCHEMA), 0)
    arena = Arena()
    sample = make_sample(row, decode_audio(row, kit.rate), 0, kit.toy_config(), kit.rate, empty=arena.empty)
    assert sample is not None
    ((_, got),) = unpacked([packed([(0, sample)], arena)])
    assert got is not None
    for sent, received in zip((*sample.frames, *sample.waves), (*got.frames, *got.waves), strict=True):
        assert np.shares_memory(sent, received)


def test_samples_without_media_travel_too():
    assert list(unpacked([packed([(3, None)], Arena()), packed([], Arena())])) == [(3, None)]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_media_of_any_row_are_found_whatever_kind_of_binary_a_file_holds(kit, kind):
    jpegs = [[b"a", b"bc"], [b"def", b"", b"g"], [], None]
    sounds = [b"so", None, b"", b"und"]
    table = pa.Table.from_pylist([kit.row(i) for i in range(4)], schema=CLIP_SCHEMA)
    for name, values in (("frames", pa.array(jpegs, pa.list_(kind))), ("audio", pa.array(sounds, kind))):
        table = table.set_column(table.schema.get_field_index(name), name, values)
    one_by_one = [stored_row(table, row) for row in range(4)]
    several_chunks = StoredRows(pa.concat_tables([table.slice(1), table.slice(0, 1)]))
    for rows, order in ((one_by_one, (0, 1, 2, 3)), (several_chunks, (3, 0, 1, 2))):
        for row, at in enumerate(order):
            found, some = rows[at], jpegs[row] or []
            assert [bytes(found.frames[i]) for i in range(len(some))] == some
            assert (None if found.audio is None else bytes(found.audio)) == sounds[row]


@pytest.mark.parametrize(
    ("samples", "least", "sizes"),
    [
        ([100] * 12, 1, [6, 6]),  # until there are enough samples
        ([600] * 3, 1, [1, 1, 1]),
        ([300] * 9, 4, [4, 4, 1]),  # but one job for each lane, or some lane would wait for the next round
        ([], 2, []),
    ],
)
def test_a_round_is_bounded_by_its_samples(samples, least, sizes):
    made = list(rounds((Job(bytes([i]), n) for i, n in enumerate(samples)), least, Budget(512)))
    assert [len(jobs) for jobs in made] == sizes
    assert b"".join(job.blob for jobs in made for job in jobs) == bytes(range(len(samples)))


def test_rounds_grow_until_their_bytes_or_their_samples_are_many():
    small = Budget(512)
    sizes = []
    for _ in range(5):
        small.grow(small.samples, small.samples * 1000)
        sizes.append(small.samples)
    assert sizes == [1024, 2048, 4096, 4096, 4096]
    large = Budget(512)
    large.grow(512, 512 * 2**21)  # 2 MiB each: half a GiB holds 256
    assert large.samples == 256
    large.grow(1, 2**31)
    assert large.samples == 1


def test_no_more_jobs_are_taken_than_a_round_needs():
    taken = []
    jobs = (taken.append(i) or Job(b"", 512) for i in range(5))
    next(rounds(jobs, 1, Budget(512)))
    assert taken == [0]
