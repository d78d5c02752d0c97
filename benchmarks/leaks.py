"""Temporal heads trained from scratch on a clip table, by the trainer's own code, and measured on held-out videos."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import ray
import torch
from torch import Tensor

from benchmarks.stationary import Stationary, make_table
from chronav.config import build
from trainer import recipes
from trainer.batch import Batch, collate
from trainer.config import HEADS, PretrainConfig
from trainer.heldout import heldout_accuracies
from trainer.input import assemble, bundles, decode_heldout, decode_pieces
from trainer.learner import Learner
from trainer.loop import NoHooks, train
from trainer.losses.order import order_pairs
from trainer.sample import StoredRow
from trainer.sound import LogMel
from trainer.tables import TrainingData, select_rows
from trainer.windows import Segment

_Key = TypeVar("_Key", bound=Hashable)

# The tiny recipe with the temporal losses alone, all of one weight, and networks smaller still.
_CONFIG: dict[str, Any] = {
    "lr": 5e-3,
    "warmup_steps": 20,
    "heldout_fraction": 0.5,
    "heldout_draws": 112,
    # A table of this size is read once for hundreds of samples.
    "samples_per_row": 16,
    "lanes": 1,
    "window_row_groups": 64,
    "video": {"stages": 2, "size": 16},
    "audio": {"width": 8, "blocks": (1, 1)},
    "loss": {
        "lambda_t": 1.0,
        "direction_v": 1.0,
        "order_aa": 1.0,
        "order_va": 1.0,
        "vv": 0.0,
        "va": 0.0,
    },
}
_HELDOUT_BATCH = 256
LIMIT = 3.5  # standard errors above the guess from which on a head counts as leaking
_NORMAL_95 = 1.96


@dataclass(frozen=True)
class Reading:
    """Accuracy of a head on held-out videos; `low`, `high`: its 95 % interval over videos.

    `guess`: what always answering the commonest class scores on the same items. By luck of the draw it is a little
    above `chance`, and a head that knows nothing may score as much.
    """

    value: float
    chance: float
    n: int
    low: float
    high: float
    guess: float

    @property
    def error(self) -> float:
        """Standard error: that of guessing, or of the bootstrap over videos where that is wider."""
        guessing = (self.chance * (1 - self.chance) / self.n) ** 0.5
        return max(guessing, (self.high - self.low) / (2 * _NORMAL_95))

    @property
    def above(self) -> float:
        """By how many standard errors the head is better than the guess."""
        return (self.value - self.guess) / self.error

    @property
    def leaks(self) -> bool:
        """Whether the head has learnt something."""
        return self.above > LIMIT

    @property
    def least_leak(self) -> float:
        """How far above the guess an accuracy must be to count as a leak."""
        return LIMIT * self.error


def leak_config(steps: int, seed: int) -> PretrainConfig:
    """What the heads are trained with."""
    recipe = recipes.get("tiny")
    changed = {
        name: recipe[name] | value if isinstance(value, dict) else value for name, value in _CONFIG.items()
    }
    return build(PretrainConfig, defaults=recipe | changed | {"steps": steps, "seed": seed})


@dataclass(frozen=True)
class Case:
    """Media to train on; `guarded=False` takes three guards of the trainer away.

    Sound then keeps its level, silence where the source has no sound counts as sound, and the speed of video is asked
    for also where stored frames repeat.
    """

    media: Stationary
    guarded: bool = True


def measure_all(cases: Mapping[_Key, Case], folder: Path, steps: int) -> dict[_Key, dict[str, Reading]]:
    """Make the media of every case below `folder`, train on them in Ray tasks and measure; needs Ray.

    The seed of the media is also that of the training, so that unlike seeds make the cases independent.
    """
    tables = {key: make_table(folder / str(i), case.media) for i, (key, case) in enumerate(cases.items())}
    # Half of the four CPUs that a small machine's Ray claims to have: no more trainings at once than cores.
    learn = ray.remote(num_cpus=2)(learn_and_measure)
    running = [
        learn.remote(tables[key], leak_config(steps, case.media.seed), case.guarded)
        for key, case in cases.items()
    ]
    return dict(zip(cases, ray.get(running), strict=True))


def learn_and_measure(table: str, config: PretrainConfig, guarded: bool) -> dict[str, Reading]:
    """Train all heads from scratch on one half of the videos and measure them on the other.

    Heads that were never asked are left out. `guarded`: as in `Case`.
    """
    torch.set_num_threads(1)
    device = torch.device("cpu")
    with ExitStack() as stack:
        if not guarded:
            stack.enter_context(patch.object(LogMel, "forward", _level_kept))
            stack.enter_context(patch("trainer.sample.segment_of", _whole_segment))
            stack.enter_context(patch("trainer.sample._REPEAT_TOLERANCE", 0.0))
        data = select_rows([table], config)
        learner = Learner.build(config, data.sample_rate, data.plan(config).epoch_samples, device)
        train(learner, _train_batches(data, config), config, device, 0, NoHooks())
        labels: dict[str, Tensor] = {head: torch.zeros(0, dtype=torch.int64) for head in HEADS}
        batches = _noting(labels, _heldout_batches(data, config))
        found = heldout_accuracies(learner.model, learner.log_mel, batches, config, device)
    numbers = ("value", "chance", "n", "low", "high")
    return {
        head: Reading(
            **{name: found[head][name] for name in numbers},  # type: ignore[arg-type]
            guess=float(asked.bincount().max() / len(asked)),
        )
        for head, asked in labels.items()
        if len(asked)
    }


def _noting(labels: dict[str, Tensor], batches: Iterator[Batch]) -> Iterator[Batch]:
    """Pass the batches on, adding to `labels` what each head is asked: (n,) classes."""
    for batch in batches:
        pairs = order_pairs(batch.target, batch.order, batch.video_row, batch.audio_row)
        asked = {
            "speed_v": batch.video.speed[batch.video.speed_valid],
            "speed_a": batch.audio.speed,
            "direction_v": batch.video.backward,
            "direction_a": batch.audio.backward,
        } | {head: of_head.label for head, of_head in pairs.items()}
        for head, classes in asked.items():
            labels[head] = torch.cat([labels[head], classes])
        yield batch


def _train_batches(data: TrainingData, config: PretrainConfig) -> Iterator[list[Batch]]:
    """The batches of `trainer.input.train_batches`, decoded in this process."""
    plan, lanes = data.plan(config), range(config.lanes)
    pieces = plan.pieces(lanes, 0, config.steps)
    rows = (row for bundle in bundles(pieces) for row in decode_pieces(bundle, config, data.sample_rate))
    for samples in assemble(rows, lanes, plan.shape.per_lane):
        yield [collate(samples, config)]


def _heldout_batches(data: TrainingData, config: PretrainConfig) -> Iterator[Batch]:
    """The samples of `trainer.input.heldout_batches`, decoded in this process."""
    first = 0
    for group in data.heldout:
        decoded = decode_heldout(group, first, config, data.sample_rate)
        samples = [sample for _, sample in decoded if sample is not None]
        first += len(group.rows)
        for i in range(0, len(samples), _HELDOUT_BATCH):
            yield collate(samples[i : i + _HELDOUT_BATCH], config)


def _level_kept(self: LogMel, wave: Tensor) -> Tensor:
    """`LogMel.forward` with the mean of the batch removed, not that of each clip: (N, L) -> (N, n_mels, frames)."""
    spectrum = torch.stft(
        wave, self.n_fft, self.hop, self.n_window, self.window, center=False, return_complex=True
    )
    mel = torch.log(self.bank @ spectrum.abs().square() + self.config.power_floor)
    return mel - mel.mean()


def _whole_segment(row: StoredRow, sample_rate: int, n_samples: int) -> Segment:
    """`trainer.sample.segment_of` without regard to where the source really has sound."""
    return Segment(row.n_frames, row.fps, sample_rate, 0, n_samples)
