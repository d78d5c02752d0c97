"""A named part of the objective: what this worker's items cost, and how often the guess was right."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass
class Term:
    """Sums over some of the items of the global batch; whoever adds them up knows how many there are in all.

    A mean of the means of workers, or of micro-batches, would be wrong where their counts differ.
    """

    total: Tensor  # scalar: the sum of the items' losses, with gradient
    count: Tensor  # scalar: items that counted
    hits: Tensor | None = None  # scalar: items guessed right

    @property
    def mean(self) -> Tensor:
        """The mean loss of these items; 0 where nothing counted."""
        return self.total / self.count.clamp_min(1)

    @property
    def accuracy(self) -> Tensor | None:
        """The share guessed right."""
        return None if self.hits is None else self.hits / self.count.clamp_min(1)

    def __add__(self, other: Term) -> Term:
        both = self.hits is not None and other.hits is not None
        hits = self.hits + other.hits if both else None  # type: ignore[operator]
        return Term(self.total + other.total, self.count + other.count, hits)

    def detach(self) -> Term:
        """The same without gradient."""
        return Term(self.total.detach(), self.count, self.hits)


def summed(losses: Tensor, correct: Tensor | None = None) -> Term:
    """The term of per-item losses (n,) and guesses (n,)."""
    hits = None if correct is None else correct.float().sum()
    return Term(losses.sum(), losses.new_tensor(float(len(losses))), hits)


def cross_entropy(logits: Tensor, labels: Tensor) -> Term:
    """Softmax cross-entropy of (n, classes) logits against (n,) labels."""
    losses = nn.functional.cross_entropy(logits.float(), labels, reduction="none")
    return summed(losses, logits.argmax(dim=1) == labels)
