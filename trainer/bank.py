"""The memory bank: the latest momentum keys, each with the video that it came from."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MemoryBank(nn.Module):
    """A ring of K keys. Its buffers are part of the checkpoint.

    Keys enter in global sample order, so that every worker holds the same bank.
    """

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.keys: Tensor
        self.video: Tensor
        self.pushed: Tensor
        self.register_buffer("keys", torch.zeros(size, dim))
        self.register_buffer("video", torch.zeros(size, dtype=torch.int64))
        self.register_buffer("pushed", torch.zeros((), dtype=torch.int64))  # keys that ever entered
        self._pushed = 0  # the same on the host: whether there is enough is asked at every step

    @property
    def size(self) -> int:
        """K, the keys that it can hold."""
        return len(self.keys)

    @property
    def filled(self) -> int:
        """Keys that it holds; they are its first rows."""
        return min(self._pushed, self.size)

    @torch.no_grad()
    def push(self, keys: Tensor, video: Tensor) -> None:
        """Enter keys (n, d) of the videos (n,), the oldest making way."""
        keys, video = keys[-self.size :], video[-self.size :]
        at = (self._pushed + torch.arange(len(keys), device=keys.device)) % self.size
        self.keys[at] = keys.float()
        self.video[at] = video
        self._pushed += len(keys)
        self.pushed.fill_(self._pushed)

    def _load_from_state_dict(self, *args: object, **kwargs: object) -> None:
        super()._load_from_state_dict(*args, **kwargs)  # type: ignore[arg-type]
        self._pushed = int(self.pushed)
