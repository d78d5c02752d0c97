"""The memory bank: order, partial filling, wrapping, and a way into the checkpoint and back."""

from __future__ import annotations

import torch

from trainer.bank import MemoryBank


def rows(first: int, n: int) -> tuple[torch.Tensor, torch.Tensor]:
    at = torch.arange(first, first + n)
    return at[:, None].float().expand(n, 3), at


def test_keys_enter_in_order_and_the_oldest_make_way():
    bank = MemoryBank(5, 3)
    assert bank.filled == 0
    bank.push(*rows(0, 2))
    assert bank.filled == 2
    assert bank.video[:2].tolist() == [0, 1]
    bank.push(*rows(2, 4))
    assert bank.filled == 5
    assert sorted(bank.video.tolist()) == [1, 2, 3, 4, 5]
    assert bank.video.tolist() == [5, 1, 2, 3, 4]  # the ring has come round
    assert torch.equal(bank.keys[:, 0].long(), bank.video)


def test_more_keys_than_it_holds_leave_the_latest():
    bank = MemoryBank(3, 3)
    bank.push(*rows(0, 8))
    assert sorted(bank.video.tolist()) == [5, 6, 7]
    bank.push(*rows(8, 0))
    assert bank.filled == 3


def test_it_comes_back_from_a_checkpoint():
    bank, other = MemoryBank(5, 3), MemoryBank(5, 3)
    bank.push(*rows(0, 3))
    other.load_state_dict(bank.state_dict())
    assert other.filled == 3
    for one in (bank, other):
        one.push(*rows(3, 4))
    assert torch.equal(bank.keys, other.keys)
    assert torch.equal(bank.video, other.video)
