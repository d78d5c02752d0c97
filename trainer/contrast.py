"""The contrastive terms of a batch: momentum keys, banks of earlier ones, and who is paired with whom."""

from __future__ import annotations

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
        self._fresh: dict[str, tuple[Tensor, Tensor]] = {}

    def keys(self, out: Outputs, video: Tensor | None, audio: Tensor | None) -> Keys:
        """The keys of a batch: `out` is the model's answer to the clips `video` and `audio`."""
        if self.momentum is None:
            return Keys(out.v_vv, out.v_va, out.a_va, out.a_aa)
        return self.momentum(video, audio)

    def terms(self, out: Outputs, keys: Keys, batch: Batch) -> dict[str, Term]:
        """Every contrastive term with a weight, by name; notes the keys that enter the banks after the step.

        With several workers each calls this with the same directions in the same order: they hold collectives.
        """
        found: dict[str, list[Term]] = {}
        for number, direction in enumerate(self.directions):
            found.setdefault(direction.term, []).append(self._term(number, direction, out, keys, batch))
        return {name: _mean(terms) for name, terms in found.items()}

    @torch.no_grad()
    def follow(self, model: AudioVisualModel, step: int) -> None:
        """After the optimiser's step: the momentum model moves on, and the batch's keys enter the banks."""
        if self.momentum is not None:
            self.momentum.follow(model, momentum_at(step, self.config.steps, self.config.momentum))
        for name, (keys, video) in self._fresh.items():
            self._bank(name).push(keys, video)
        self._fresh = {}

    def _bank(self, name: str) -> MemoryBank:
        bank = self.banks[name]
        assert isinstance(bank, MemoryBank)
        return bank

    def _term(self, number: int, direction: Direction, out: Outputs, keys: Keys, batch: Batch) -> Term:
        dim, config = self.config.projection_dim, self.config.loss
        asks, answers = _rows_of(direction.query, batch), _rows_of(direction.key, batch)  # (B, 2)
        present = ((asks >= 0) & (answers >= 0)).flatten()
        query = _projected(getattr(out, direction.query), batch, dim)[asks.flatten()[present]]
        stored = _projected(getattr(keys, direction.key), batch, dim)
        paired = answers.flip(1) if direction.flip else answers
        video = batch.key.repeat_interleave(2)[present]
        with torch.set_grad_enabled(self.momentum is None):  # momentum keys have no gradient to send back
            own = gather_rows(stored[answers.flatten()[present]])
        own_video = gather_rows(video)
        usual = Usual(query, video, stored[paired.flatten()[present]], own, own_video)
        if not self.banks:
            return contrastive_loss(usual, config.tau)
        self._fresh[direction.key] = (own, own_video)
        bank = self._bank(direction.key)
        if bank.filled < min(config.bank_min_fill, bank.size // 4) or not len(query):
            return contrastive_loss(usual, config.tau)
        entries, entry_video = bank.keys[: bank.filled], bank.video[: bank.filled]
        window = torch.arange(2, device=present.device)
        asked = (2 * batch.index[:, None] + window).flatten()[present] * len(DIRECTIONS) + number
        noise = gumbel(asked, bank.filled, self.config.seed)
        extras = draw_extras(usual.positive, video, entries, entry_video, noise, config)
        return contrastive_loss(usual, config.tau, entries, extras)


def bank_size(config: PretrainConfig, epoch_samples: int) -> int:
    """K: at most half the samples of an epoch, else a bank would hold a video's own near past; 0: no bank."""
    loss = config.loss
    if loss.keys == "online" or (loss.n_positives == 0 and loss.n_negatives == 0):
        return 0
    return min(loss.bank_size, epoch_samples // 2)


def _rows_of(projection: str, batch: Batch) -> Tensor:
    return batch.video_row if projection.startswith("v") else batch.audio_row


def _projected(rows: Tensor | None, batch: Batch, dim: int) -> Tensor:
    return batch.video_params.new_zeros(0, dim) if rows is None else rows


def _mean(terms: list[Term]) -> Term:
    """The mean of two directions of one loss."""
    n = len(terms)
    accuracies = [t.accuracy for t in terms if t.accuracy is not None]
    return Term(
        torch.stack([t.loss for t in terms]).sum() / n,
        torch.stack([t.value for t in terms]).sum() / n,
        torch.stack([t.count for t in terms]).sum(),
        torch.stack(accuracies).mean() if len(accuracies) == n else None,
    )
