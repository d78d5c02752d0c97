from __future__ import annotations

import torch

from benchmarks.gpu.loader import Loader, heldout_samples, row_of
from benchmarks.gpu.settings import SMALL, config
from trainer.batch import collate
from trainer.sample import decode_audio, make_sample


def test_every_row_once_an_epoch_in_another_order():
    epochs = [[row_of(epoch * 12 + i, 12, seed=3) for i in range(12)] for epoch in range(4)]
    assert all(sorted(order) == list(range(12)) for order in epochs)
    assert len({tuple(order) for order in epochs}) == 4


def test_two_processes_give_the_samples_in_order(shard):
    settings = config(SMALL, {"batch_size": 12})
    trained = shard.select(heldout=False)
    with Loader(shard, settings, workers=2) as loader:
        got = [batch for _, (batch,) in zip(range(3), loader.batches(), strict=False)]
    for step, batch in enumerate(got):
        samples = []
        for index in range(step * 12, step * 12 + 12):
            stored = trained[row_of(index, len(trained), settings.seed)].stored
            samples.append(
                make_sample(
                    stored, decode_audio(stored, shard.sample_rate), index, settings, shard.sample_rate
                )
            )
        expected = collate(samples, settings)
        assert batch.clip_ids == expected.clip_ids
        assert torch.equal(batch.frames, expected.frames)
        assert torch.equal(batch.video_params, expected.video_params)


def test_heldout_samples_are_the_same_each_time_and_ask_for_every_pair(shard):
    settings = config(SMALL, {"heldout_draws": 4})
    one, other = (heldout_samples(shard.select(heldout=True), settings, shard.sample_rate) for _ in range(2))
    assert [s.draw for s in one] == [s.draw for s in other]
    assert {s.video_id for s in one} == {"video0", "video1"}
    assert {s.draw.target for s in one} == {0, 1, 2, 3}
