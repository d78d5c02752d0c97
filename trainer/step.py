"""One optimiser step: a batch, or several micro-batches that together are one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from trainer.batch import Batch
from trainer.config import PretrainConfig
from trainer.culprits import not_finite
from trainer.dist import all_sum, rank, world_size
from trainer.learner import Learner
from trainer.losses.term import Term
from trainer.momentum import Keys
from trainer.objective import Forward, Views, run_model, see, temporal_counts, temporal_terms, total
from trainer.precision import autocast


@dataclass
class Stepped:
    """What a step came to, over the global batch and without gradient."""

    terms: dict[str, Term]
    loss: float
    gradient_norm: float  # before clipping


def optimise(learner: Learner, batches: Sequence[Batch], config: PretrainConfig, step: int) -> Stepped:
    """One step over this worker's part of the global batch, cut into micro-batches.

    The gradient is that of the whole batch whatever it is cut into, batch norm's statistics aside: each term is
    divided by its count in the global batch, and with momentum keys every query meets the keys of all of it.
    Raises `JobError`, on every worker alike, where a loss or the gradient is not finite.
    """
    # For networks of one's own that draw (dropout): a resumed run draws what an undisturbed one would.
    torch.manual_seed(np.random.SeedSequence((config.seed, step, rank())).generate_state(1, np.uint64).item())
    counts = _global_counts(learner, batches)
    views = [see(learner.log_mel, batch, config) for batch in batches]
    made = [_momentum_keys(learner, seen, batch, config) for seen, batch in zip(views, batches, strict=True)]
    pool = learner.contrast.pool(made, batches) if learner.contrast.momentum is not None else None
    sums: list[dict[str, Term]] = []
    learner.optimiser.zero_grad(set_to_none=True)
    for number, (batch, seen) in enumerate(zip(batches, views, strict=True)):
        with _synchronised(learner.wrapped, last=number == len(batches) - 1):
            forward = run_model(learner.wrapped, seen, batch, config)
            keys = made[number] if pool is not None else _online_keys(forward)
            pool = pool if pool is not None else learner.contrast.pool([keys], [batch])
            terms = temporal_terms(forward, batch)
            terms |= learner.contrast.terms(forward.out, keys, batch, pool)
            # DDP takes the mean of the workers' gradients; each has its part of the global sum.
            assert forward.out.anchor is not None
            loss = total(terms, counts, config.loss) * world_size() + forward.out.anchor
            loss.backward()
        sums.append({name: term.detach() for name, term in terms.items()})
    norm = nn.utils.clip_grad_norm_(learner.model.parameters(), config.grad_clip)
    stepped = _over_all(sums, counts, config, norm)
    if broken := _not_finite(stepped):
        raise not_finite(learner, step, broken, list(zip(sums, views, batches, strict=True)), config)
    learner.optimiser.step()
    assert pool is not None
    learner.contrast.follow(learner.model, step, pool)
    return stepped


def _global_counts(learner: Learner, batches: Sequence[Batch]) -> dict[str, Tensor]:
    """Items of each term in the global batch: one collective, before anything has been computed."""
    found = [temporal_counts(batch) | learner.contrast.counts(batch) for batch in batches]
    names = list(found[0])
    local = torch.stack([torch.stack([counts[name] for counts in found]).sum() for name in names])
    return dict(zip(names, all_sum(local.float()).unbind(), strict=True))


def _momentum_keys(learner: Learner, seen: Views, batch: Batch, config: PretrainConfig) -> Keys:
    if learner.contrast.momentum is None:
        return Keys()
    with autocast(config, batch.index.device):
        return learner.contrast.momentum(seen.video, seen.audio)


def _online_keys(forward: Forward) -> Keys:
    out = forward.out
    return Keys(out.v_vv, out.v_va, out.a_va, out.a_aa)


def _synchronised(model: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Workers exchange gradients once a step, after the last micro-batch."""
    if last or not isinstance(model, nn.parallel.DistributedDataParallel):
        return nullcontext()
    return model.no_sync()


def _over_all(
    sums: Sequence[dict[str, Term]], counts: dict[str, Tensor], config: PretrainConfig, norm: Tensor
) -> Stepped:
    """All terms over all micro-batches and workers: one collective and one wait for the device."""
    names = list(counts)
    local = [torch.stack([_total_and_hits(terms[name]) for terms in sums]).sum(dim=0) for name in names]
    totals = all_sum(torch.stack(local))  # (terms, 2)
    table = torch.cat([totals, torch.stack([counts[name] for name in names])[:, None]], dim=1)
    values = torch.cat([table.flatten(), norm.detach().float().reshape(1)]).cpu()
    table = values[:-1].reshape(-1, 3)
    known = {name: sums[0][name].hits is not None for name in names}
    terms = {
        name: Term(row[0], row[2], row[1] if known[name] else None)
        for name, row in zip(names, table, strict=True)
    }
    loss = total(terms, {name: term.count for name, term in terms.items()}, config.loss)
    return Stepped(terms, float(loss), float(values[-1]))


def _total_and_hits(term: Term) -> Tensor:
    hits = torch.zeros_like(term.total) if term.hits is None else term.hits
    return torch.stack([term.total, hits])


def _not_finite(stepped: Stepped) -> list[str]:
    """The terms that are not finite, or else `total` (their sum) or `gradient`."""
    broken = [name for name, term in stepped.terms.items() if not bool(torch.isfinite(term.total))]
    if not broken and not math.isfinite(stepped.loss):
        return ["total"]
    return broken or ([] if math.isfinite(stepped.gradient_norm) else ["gradient"])
