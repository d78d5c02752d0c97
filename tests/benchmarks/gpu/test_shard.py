from __future__ import annotations

from trainer.sample import decode_audio


def test_media_come_back_byte_for_byte(rows, shard):
    assert len(shard.rows) == len(rows)
    for row, packed in zip(rows, shard.rows, strict=True):
        assert [bytes(frame) for frame in packed.stored.frames] == row["frames"]
        assert bytes(packed.stored.audio) == row["audio"]
        assert packed.stored.audio_valid == (row["audio_valid_start_s"], row["audio_valid_end_s"])
        assert (packed.stored.video_id, packed.label, packed.group) == (
            row["video_id"],
            row["label"],
            row["group"],
        )


def test_the_trainer_reads_it(shard):
    sound = decode_audio(shard.rows[0].stored, shard.sample_rate)
    assert len(sound) == 3 * shard.sample_rate


def test_rows_are_either_trained_on_or_held_out(shard):
    heldout, trained = shard.select(heldout=True), shard.select(heldout=False)
    assert [row.stored.video_id for row in heldout] == ["video0", "video1"]
    assert len(trained) == 4
