"""A step of the full objective beside the same networks without losses: `python -m benchmarks.train_step`.

Both sides augment the same batch, run the same online networks forward and backward and the same momentum networks
forward, clip the gradient, take the same optimiser step and let the momentum model follow. One side's loss is the
full objective over full memory banks of 65,536 keys, which it updates; the other's is the sum of all outputs.
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pyarrow as pa
import torch
from torch import Tensor, nn

from benchmarks.contest import Contestant
from benchmarks.media import Stored, segment
from benchmarks.rounds import PAGE, heading, interleave, markdown, ratios, spread, write_section
from chronav.allocator import keep_freed_memory
from chronav.config import build
from pipelines.schema import CLIP_SCHEMA
from trainer.bank import MemoryBank
from trainer.batch import Batch, collate
from trainer.config import PretrainConfig
from trainer.learner import Learner
from trainer.losses.order import order_pairs
from trainer.model import Outputs
from trainer.momentum import Keys, momentum_at
from trainer.objective import Forward, run_model, see, temporal_counts, temporal_terms, total
from trainer.sample import decode_audio, make_sample
from trainer.step import optimise
from trainer.stored import stored_row

FULL, BARE, ALONE = "full objective", "networks alone", "objective alone, random features"
_STORED = Stored(height=128, width=170, sample_rate=16_000)
_GOAL = 1.10
_NOTES = """{clock}; median (range) of {rounds} rounds in turns; goal: at most {goal:.2f}. R(2+1)D-18 on 16x112x112,
an audio ResNet of width 64 on 80 mel bands, two clips of each a sample, momentum keys, all banks full with 65,536
keys. Both sides augment, run the online networks forward and backward and the momentum networks forward, clip, step
and follow. *Full objective* also draws from the banks and pushes to them; *networks alone* adds its outputs up. Peak:
over all rounds, each in a process of its own; on a CPU, of the whole process. At a batch of {samples}, where networks
weigh most; what the objective itself costs at {many} samples is in the last row."""
_NO_GPU = "On a GPU this ratio is not measured."
Step = Callable[[], object]


def make_batch(config: PretrainConfig, stored: Stored, samples: int, segments: int) -> Batch:
    """A batch of windows of generated segments, each sample of a video of its own."""
    rows = [pa.Table.from_pylist([segment(i, stored)], schema=CLIP_SCHEMA) for i in range(segments)]
    opened = [stored_row(row, 0) for row in rows]
    sounds = [decode_audio(row, stored.sample_rate) for row in opened]
    made = []
    for index in range(samples):
        row = dataclasses.replace(opened[index % segments], video_id=f"video{index}")
        made.append(make_sample(row, sounds[index % segments], index, config, stored.sample_rate))
    return collate([sample for sample in made if sample is not None], config)


def full_banks(learner: Learner) -> None:
    """Fill every bank with random unit keys of videos of their own."""
    draw = torch.Generator().manual_seed(0)
    for bank in learner.contrast.banks.values():
        assert isinstance(bank, MemoryBank)
        keys = nn.functional.normalize(torch.randn(bank.keys.shape, generator=draw), dim=1)
        video = torch.randint(-(2**63), 2**63 - 1, (len(keys),), generator=draw)
        bank.push(keys.to(bank.keys.device), video.to(bank.keys.device))


@dataclass(frozen=True)
class Work:
    """What a process of its own is to do: a step of one of the sides, or the objective alone."""

    name: str
    samples: int
    device: torch.device


@dataclass(frozen=True)
class Spent:
    """What a step took."""

    seconds: float
    peak_mib: float  # so far: of the GPU, else of the whole process


@contextmanager
def steps(work: Work) -> Iterator[Callable[[], Spent]]:
    """Steps of `work` in this process, one of them taken already."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # this and the next: as the trainer does
    keep_freed_memory()
    make = objective_step if work.name == ALONE else network_step
    step = make(work)
    step()
    yield lambda: _timed(step, work.device)


def network_step(work: Work) -> Step:
    """The step of one side, with networks of the default size."""
    overrides = ["lanes=1", f"batch_size={max(2, work.samples)}", "loss.keys=momentum"]
    config = build(PretrainConfig, overrides=overrides)
    learner = Learner.build(config, _STORED.sample_rate, 2 * config.loss.bank_size, work.device)
    full_banks(learner)
    batch = make_batch(config, _STORED, work.samples, work.samples).to(work.device)
    if work.name == FULL:
        return lambda: optimise(learner, [batch], config, 0)
    return lambda: bare_step(learner, batch, config)


def bare_step(learner: Learner, batch: Batch, config: PretrainConfig) -> None:
    """What `trainer.step.optimise` does, with the sum of all outputs as the loss."""
    assert learner.contrast.momentum is not None
    views = see(learner.log_mel, batch, config)
    learner.contrast.momentum(views.video, views.audio)
    forward = run_model(learner.wrapped, views, batch, config)
    outputs = [getattr(forward.out, field.name) for field in dataclasses.fields(Outputs)]
    tensors = [tensor for tensor in (*outputs, *forward.order.values()) if tensor is not None]
    loss = torch.stack([tensor.sum() for tensor in tensors]).sum()
    learner.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(learner.model.parameters(), config.grad_clip)
    learner.optimiser.step()
    learner.contrast.momentum.follow(learner.model, momentum_at(0, config.steps, config.momentum))


def objective_step(work: Work) -> Step:
    """The objective alone, forward and backward to random features."""
    samples, device = work.samples, work.device
    small = Stored(height=16, width=16, sample_rate=8000)
    networks = ["video.encoder=r2plus1d_small", "video.width=8", "video.stages=2"]
    networks += ["audio.width=8", "audio.blocks=[1, 1]", "audio.f_max=3500.0"]
    overrides = ["lanes=1", f"batch_size={samples}", "loss.keys=momentum", *networks]
    config = build(PretrainConfig, overrides=overrides)
    learner = Learner.build(config, small.sample_rate, 2 * config.loss.bank_size, device)
    full_banks(learner)
    batch = make_batch(config, small, samples, 16).to(device)
    pairs = order_pairs(batch.target, batch.order, batch.video_row, batch.audio_row)

    def unit(rows: int) -> Tensor:
        return nn.functional.normalize(torch.randn(rows, config.projection_dim, device=device), dim=1)

    def step() -> None:
        n = 2 * samples
        classes = {"speed_v": 4, "speed_a": 4, "direction_v": 2, "direction_a": 2}
        out = Outputs(
            anchor=torch.zeros((), device=device),
            **{name: unit(n).requires_grad_() for name in ("v_vv", "v_va", "a_va")},
            **{name: torch.randn(n, c, device=device).requires_grad_() for name, c in classes.items()},
        )
        order = {
            name: torch.randn(len(p.first), 3, device=device).requires_grad_() for name, p in pairs.items()
        }
        keys = Keys(unit(n), unit(n), unit(n))
        pool = learner.contrast.pool([keys], [batch])
        terms = temporal_terms(Forward(out, order, pairs), batch)
        terms |= learner.contrast.terms(out, keys, batch, pool)
        counts = temporal_counts(batch) | learner.contrast.counts(batch)
        total(terms, counts, config.loss).backward()

    return step


def _timed(step: Step, device: torch.device) -> Spent:
    """Of the CPU on a CPU, which is what a busy machine leaves comparable; else on the clock."""
    if device.type == "cpu":
        began = time.process_time()
        step()
        seconds = time.process_time() - began
        return Spent(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)
    torch.cuda.synchronize(device)
    began = time.monotonic()
    step()
    torch.cuda.synchronize(device)
    return Spent(time.monotonic() - began, torch.cuda.max_memory_allocated(device) / 2**20)


def table_of(spent: Mapping[str, Sequence[Spent]], works: Sequence[Work]) -> str:
    """The table: both sides, and the objective without networks."""
    seconds = {name: [one.seconds for one in all_of] for name, all_of in spent.items()}
    rows = [
        [
            f"{work.name}, {work.samples} samples",
            spread(seconds[work.name], 2),
            "" if work.name == ALONE else spread(ratios(seconds[work.name], seconds[BARE]), 3),
            f"{spent[work.name][-1].peak_mib:.0f}",
        ]
        for work in works
    ]
    return markdown(["step", "seconds", f"to {BARE}", "peak memory, MiB"], rows)


def ratio_of(spent: Mapping[str, Sequence[Spent]]) -> float:
    """The full objective to the networks alone: the median over the rounds."""
    return statistics.median(ratios(*([one.seconds for one in spent[name]] for name in (FULL, BARE))))


def section(table: str, works: Sequence[Work], rounds: int, ratio: float) -> str:
    """The page's section; `works` as for the table."""
    full, alone = works[0], works[-1]
    on_cpu = full.device.type == "cpu"
    title = (
        f"Training step on a {'CPU' if on_cpu else 'GPU'} at a batch of {full.samples}: "
        f"full objective {ratio:.3f} of the networks alone"
    )
    head = heading(title, "python -m benchmarks.train_step --page")
    clock = "CPU seconds, one thread" if on_cpu else torch.cuda.get_device_name(full.device)
    notes = _NOTES.format(clock=clock, rounds=rounds, goal=_GOAL, samples=full.samples, many=alone.samples)
    return "\n\n".join([head, f"{notes} {_NO_GPU}" if on_cpu else notes, table])


def main() -> None:
    """Run, print, and write the page's section where `--page` is given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=2, help="samples of a step with networks")
    parser.add_argument("--many", type=int, default=256, help="samples of the objective alone")
    parser.add_argument("--rounds", type=int, default=5)
    best = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", type=torch.device, default=torch.device(best))
    parser.add_argument("--page", nargs="?", const=PAGE, help=f"write the section of this page ({PAGE})")
    given = parser.parse_args()
    works = [Work(name, given.samples, given.device) for name in (FULL, BARE)]
    works.append(Work(ALONE, given.many, given.device))
    with ExitStack() as stack:
        runs = {work.name: stack.enter_context(Contestant(steps, work)).run for work in works}
        spent = interleave(runs, given.rounds)
    table, ratio = table_of(spent, works), ratio_of(spent)
    print(f"{table}\n\nfull objective {ratio:.3f} of the networks alone (goal: at most {_GOAL:.2f})")
    if given.page:
        write_section(given.page, "train_step", section(table, works, given.rounds, ratio))


if __name__ == "__main__":
    main()
