"""What features are made by: an export, its random twin, a supervised network, classical descriptors.

Each is a small description that travels to the actors, which load it there, and has an identity, by which its
features are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from evaluation.classical import VERSION, Classical
from evaluation.supervised import Supervised

if TYPE_CHECKING:
    from evaluation.embedder import Encoder
    from trainer.export import Export

RANDOM_OF = "random_weights_of"
"""In an identity: the architecture of a network that was never trained."""
Kind = Literal["export", "classical", "supervised"]


@dataclass(frozen=True)
class Network:
    """A network to embed with: an export, or, with `weights`, its architecture with these.

    `path`: the export's folder, or the file of supervised weights. `identity`: what its features depend on, beside
    the clips; two networks with the same have the same features.
    """

    name: str
    path: str
    weights: Mapping[str, Any] | None = None
    kind: Kind = "export"
    identity: Mapping[str, str | int] | None = None
    sample_rate: int = 0

    def load(self, device: str) -> Encoder:
        """Open it, on a device; raises `CallError` where it is broken."""
        if self.kind == "classical":
            return Classical(self.sample_rate)
        if self.kind == "supervised":
            return Supervised(self.path).to(device)
        from chronav import load_export

        export = load_export(self.path)
        if self.weights is not None:
            export = export.with_weights(dict(self.weights))
        return export.to(device)

    def with_weights(self, weights: Mapping[str, Any]) -> Network:
        """The same with other weights."""
        return replace(self, weights=weights)


def exported(name: str, export: Export, path: str) -> Network:
    """The export as it is."""
    return Network(name, path, identity={"export": export.digest()})


def random_twin(name: str, export: Export, path: str, seed: int, settled_on: tuple[str, ...]) -> Network:
    """The export's networks with random weights, yet to be given; `settled_on`: videos that fit their norms.

    Of exports of one architecture the twins are the same, and so are their features.
    """
    videos = hashlib.sha256("\n".join(settled_on).encode()).hexdigest()
    about: dict[str, str | int] = {RANDOM_OF: export.architecture(), "seed": seed, "settled_on": videos}
    return Network(name, path, identity=about)


def classical(name: str, sample_rate: int) -> Network:
    """Descriptors without weights."""
    return Network(name, "", kind="classical", identity={"classical": VERSION}, sample_rate=sample_rate)


def supervised(name: str, path: str) -> Network:
    """A torchvision network with weights of a file; raises `CallError` where it holds none that is known."""
    return Network(name, path, kind="supervised", identity={"supervised": Supervised(path).digest})
