"""What a protocol works on: the subject, the exports, and features, of which only those that are missing are made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from chronav import storage
from evaluation import networks
from evaluation.describe import Measurement
from evaluation.embedder import ClipShape, Modality
from evaluation.features import plan_clips
from evaluation.fill import Cut, Pool, fill
from evaluation.floor import random_weights
from evaluation.networks import Network
from evaluation.per_fold import is_own
from evaluation.store import Kept, Store
from evaluation.subject import Subject
from trainer.export import Export


@dataclass(frozen=True)
class Clips:
    """Clip features: `owner` (N,) indexes the subject's videos, in ascending order; `vectors` (N, D)."""

    owner: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Wanted:
    """A network, and the clips that it is to be shown."""

    network: Network
    shape: ClipShape


@dataclass
class Bench:
    """A measurement and its subject; `embedded`: network name -> clips that were embedded and not found kept.

    `short`: how many clips are longer than their segment, of whom there are most.

    `mlflow`: tracking URI and run id of the measurement, for what there is to log meanwhile.
    """

    task: Measurement
    subject: Subject
    mlflow: tuple[str, str] | None = None
    embedded: dict[str, int] = field(default_factory=dict)
    kept_at: dict[str, str] = field(default_factory=dict)
    short: dict[Modality, int] = field(default_factory=dict)
    clips_used: int = 0

    def exported(self, name: str, export: Export) -> Network:
        """An export as it is."""
        return networks.exported(name, export, storage.absolute(export.path))

    def twin(self, name: str, seed: int) -> Network:
        """The measured export's networks with random weights, their norms fitted to the first training split."""
        videos = self.subject.videos
        settled_on = tuple(videos[i].video_id for i in self.subject.folds[0].train)
        export = self.task.export
        return networks.random_twin(name, export, storage.absolute(export.path), seed, settled_on)

    def clips(self, wanted: Sequence[Wanted]) -> dict[str, Clips]:
        """Network name -> its clip features of all videos that a fold needs; names are unique."""
        stores = {one.network.name: self._store(one) for one in wanted}
        kept = {name: store.read() for name, store in stores.items()}
        by_shape: dict[ClipShape, list[Wanted]] = defaultdict(list)
        for one in wanted:
            by_shape[one.shape].append(one)
            self.embedded.setdefault(one.network.name, 0)
            self.kept_at[one.network.name] = stores[one.network.name].path
        config, subject = self.task.config, self.subject
        for shape, ones in by_shape.items():
            cut = Cut(subject.videos, subject.row_groups, shape, config.clips)
            made = fill(
                cut,
                subject.used,
                [one.network for one in ones],
                {one.network.name: stores[one.network.name] for one in ones},
                kept,
                Pool(config.batch_size, config.workers, self._with_weights),
            )
            for name, count in made.items():
                self.embedded[name] += count
            self.count_short(shape, cut.plan(subject.used).short_clips)
        clips = {name: self._gathered(found) for name, found in kept.items()}
        own = next((found for name, found in clips.items() if is_own(name)), None)
        self.clips_used += own.owner.size if own else 0
        return clips

    def count_short(self, shape: ClipShape, clips: int) -> None:
        """Enter how many clips of a shape are longer than their segment."""
        self.short[shape.modality] = max(self.short.get(shape.modality, 0), clips)

    def own_embedded(self) -> int:
        """Clips that were embedded by what is measured, and not found kept."""
        return sum(count for name, count in self.embedded.items() if is_own(name))

    def _store(self, one: Wanted) -> Store:
        config = self.task.config
        assert one.network.identity is not None
        return Store(config.cache, one.network.identity, self.subject.table, one.shape, config.clips)

    def _with_weights(self, network: Network, shape: ClipShape) -> Network:
        """A random twin gets its weights only where it is run at all: they cost a look at some clips."""
        about = network.identity or {}
        if networks.RANDOM_OF not in about:
            return network
        subject = self.subject
        training = subject.folds[0].train.tolist()
        plan = plan_clips(subject.videos, training, shape, self.task.config.clips)
        seed = int(about["seed"])
        return network.with_weights(
            random_weights(self.task.export, seed, plan, training, subject.row_groups, shape)
        )

    def _gathered(self, kept: dict[str, Kept]) -> Clips:
        parts = [(i, kept[self.subject.videos[i].video_id]) for i in self.subject.used]
        owner = np.concatenate([np.full(len(part.vectors), i, np.int64) for i, part in parts])
        return Clips(owner, np.concatenate([part.vectors for _, part in parts]))
