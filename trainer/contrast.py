"""The contrastive terms of a batch: momentum keys, banks of earlier ones, and who is paired with whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer.bank import MemoryBank
from trainer.batch import Batch
from trainer.config import PretrainConfig
from trainer.dist import gather_rows
from trainer.losses.contrastive import Usual, contrastive_loss
from trainer.losses.extras import draw_extras
from trainer.losses.term import Term
from trainer.model import AudioVisualModel, Outputs
from trainer.momentum import Keys, MomentumModel, momentum_at
from trainer.noise import gumbel


@dataclass(frozen=True)
class Direction:
    """Who asks whom: `query` and `key` name projections, `term` the loss; `flip`: the key is of the other window."""

    term: str
    query: str
    key: str
    flip: bool = False


DIRECTIONS = (
    Direction("vv", "v_vv", "v_vv", flip=True),
    Direction("va", "v_va", "a_va"),
    Direction("va", "a_va", "v_va"),
    Direction("aa", "a_aa", "a_aa", flip=True),
)
"""v1 <-> v2, v_k -> a_k, a_k -> v_k, and a1 <-> a2; the bank of a direction is that of its key."""


@dataclass(frozen=True)
class Pool:
    """The keys of the global batch and their videos, by projection, in global sample order."""

    keys: dict[str, Tensor]  # (N, d) each
    video: dict[str, Tensor]  # (N,) each


@dataclass(frozen=True)
class Pairs:
    """The queries of one direction in a batch, each with the key that it is paired with."""

    query: Tensor  # (n, d)
    positive: Tensor  # (n, d) k_i
    video: Tensor  # (n,) whose they are
    name: Tensor  # (n,) int64 what noise drawn for a query depends on


class Contrast(nn.Module):
    """Momentum model and memory banks: what the contrastive loss remembers between steps."""

    def __init__(self, model: AudioVisualModel, config: PretrainConfig, epoch_samples: int) -> None:
        super().__init__()
        self.config = config
        self.momentum = MomentumModel(model) if config.loss.keys == "momentum" else None
        size = bank_size(config, epoch_samples)
        self.directions = [d for d in DIRECTIONS if getattr(config.loss, d.term) > 0]
        self.banks = nn.ModuleDict(
            {d.key: MemoryBank(size, config.projection_dim) for d in self.directions if size}
        )

    def counts(self, batch: Batch) -> dict[str, Tensor]:
        """How many queries of `batch` each term has, known before the networks have seen it."""
        found: dict[str, Tensor] = {}
        for direction in self.directions:
            asked = _present(direction, batch).sum()
            found[direction.term] = found.get(direction.term, 0) + asked
        return found

    def pool(self, keys: Sequence[Keys], batches: Sequence[Batch]) -> Pool:
        """Gather the keys of all (micro-)batches of a step from all workers.

        With several workers each calls this with the same directions in the same order: it holds collectives.
        """
        pool = Pool({}, {})
        for direction in self.directions:
            own, video = [], []
            for made, batch in zip(keys, batches, strict=True):
                present = _present(direction, batch)
                stored = _projected(getattr(made, direction.key), batch, self.config.projection_dim)
                own.append(stored[_rows_of(direction.key, batch).flatten()[present]])
                video.append(batch.key.repeat_interleave(2)[present])
            with torch.set_grad_enabled(self.momentum is None):  # momentum keys have no gradient to send back
                pool.keys[direction.key] = gather_rows(torch.cat(own))
            pool.video[direction.key] = gather_rows(torch.cat(video))
        return pool

    def terms(self, out: Outputs, keys: Keys, batch: Batch, pool: Pool) -> dict[str, Term]:
        """Every contrastive term with a weight, by name, over this batch's queries.

        `out`: the model's answer to the batch; `keys`: the batch's own; `pool`: those of the global batch.
        """
        found: dict[str, Term] = {}
        for number, direction in enumerate(self.directions):
            term = self._term(number, out, keys, batch, pool)
            found[direction.term] = found[direction.term] + term if direction.term in found else term
        return found

    @torch.no_grad()
    def follow(self, model: AudioVisualModel, step: int, pool: Pool) -> None:
        """After the optimiser's step: the momentum model moves on, and the step's keys enter the banks."""
        if self.momentum is not None:
            self.momentum.follow(model, momentum_at(step, self.config.steps, self.config.momentum))
        for name in self.banks:
            self._bank(name).push(pool.keys[name], pool.video[name])

    def pairs(self, number: int, out: Outputs, keys: Keys, batch: Batch) -> Pairs:
        """Who asks whom in `batch`, in the direction `self.directions[number]`; `keys`: the batch's own."""
        direction, dim = self.directions[number], self.config.projection_dim
        present = _present(direction, batch)
        asks, answers = _rows_of(direction.query, batch), _rows_of(direction.key, batch)  # (B, 2)
        paired = answers.flip(1) if direction.flip else answers
        window = torch.arange(2, device=present.device)
        return Pairs(
            _projected(getattr(out, direction.query), batch, dim)[asks.flatten()[present]],
            _projected(getattr(keys, direction.key), batch, dim)[paired.flatten()[present]],
            batch.key.repeat_interleave(2)[present],
            (2 * batch.index[:, None] + window).flatten()[present] * len(DIRECTIONS) + number,
        )

    def entries(self, name: str) -> tuple[Tensor, Tensor] | None:
        """Keys (M, d) and videos (M,) of the bank of the projection `name`; None until there are enough."""
        if not self.banks:
            return None
        bank = self._bank(name)
        if bank.filled < min(self.config.loss.bank_min_fill, bank.size // 4):
            return None
        return bank.keys[: bank.filled], bank.video[: bank.filled]

    def _bank(self, name: str) -> MemoryBank:
        bank = self.banks[name]
        assert isinstance(bank, MemoryBank)
        return bank

    def _term(self, number: int, out: Outputs, keys: Keys, batch: Batch, pool: Pool) -> Term:
        config, key = self.config.loss, self.directions[number].key
        pairs = self.pairs(number, out, keys, batch)
        usual = Usual(pairs.query, pairs.video, pairs.positive, pool.keys[key], pool.video[key])
        stored = self.entries(key)
        if stored is None or not len(pairs.query):
            return contrastive_loss(usual, config.tau)
        entries, entry_video = stored
        noise = gumbel(pairs.name, len(entries), self.config.seed)
        extras = draw_extras(pairs.positive, pairs.video, entries, entry_video, noise, config)
        return contrastive_loss(usual, config.tau, entries, extras)


def bank_size(config: PretrainConfig, epoch_samples: int) -> int:
    """K: at most half the samples of an epoch, else a bank would hold a video's own near past; 0: no bank."""
    loss = config.loss
    if loss.n_positives == 0 and loss.n_negatives == 0:
        return 0
    return min(loss.bank_size, epoch_samples // 2)


def _present(direction: Direction, batch: Batch) -> Tensor:
    """(2 B,) bool: which windows have both the clip that asks and the clip that answers."""
    return ((_rows_of(direction.query, batch) >= 0) & (_rows_of(direction.key, batch) >= 0)).flatten()


def _rows_of(projection: str, batch: Batch) -> Tensor:
    return batch.video_row if projection.startswith("v") else batch.audio_row


def _projected(rows: Tensor | None, batch: Batch, dim: int) -> Tensor:
    return batch.video_params.new_zeros(0, dim) if rows is None else rows
