"""Two workers equal one, also where one of them holds nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from trainer.dist import all_sum, gather_rows, world_size
from trainer.losses.contrastive import Usual, contrastive_loss
from trainer.losses.term import Term, summed


def _vectors(n: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(n, 4, generator=torch.Generator().manual_seed(0)), dim=1)


def _step(weight: torch.Tensor, rows: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """A loss with every collective of the objective: gathered keys with gradients, and global counts."""
    query = torch.nn.functional.normalize(rows @ weight, dim=1)
    contrast = contrastive_loss(Usual(query, ids, query.flip(1), gather_rows(query), gather_rows(ids)), 0.5)
    return _share(contrast) + _share(summed((rows @ weight).square().sum(dim=1))) + 0.0 * weight.sum()


def _share(term: Term) -> torch.Tensor:
    """This worker's part of the global mean, times the workers that DDP's mean will divide by."""
    return term.total / all_sum(term.count) * world_size()


def _worker(rank: int, folder: str, cuts: list[int]) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    weight = torch.eye(4).requires_grad_()
    mine = slice(cuts[rank], cuts[rank + 1])
    _step(weight, _vectors(6)[mine], torch.arange(6)[mine]).backward()
    assert weight.grad is not None
    dist.all_reduce(weight.grad)
    torch.save(weight.grad / 2, f"{folder}/{rank}.pt")  # what DDP does: the mean over workers
    dist.destroy_process_group()


@pytest.mark.parametrize("cuts", [[0, 3, 6], [0, 5, 6], [0, 6, 6]])
def test_gradients_of_two_workers_are_those_of_one(tmp_path: Path, cuts: list[int]) -> None:
    mp.spawn(_worker, args=(str(tmp_path), cuts), nprocs=2)
    weight = torch.eye(4).requires_grad_()
    _step(weight, _vectors(6), torch.arange(6)).backward()
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(found, weight.grad, atol=1e-6, rtol=1e-5)
