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
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import pyarrow as pa
import torch
from torch import Tensor, nn

from benchmarks.media import Stored, segment
from benchmarks.rounds import PAGE, heading, interleave, markdown, ratios, spread, write_section
from chronav.config import build
from pipelines.schema import CLIP_SCHEMA
from trainer.batch import Batch, collate
from trainer.config import PretrainConfig
from trainer.input import stored_row
from trainer.learner import Learner
from trainer.loop import optimise
from trainer.model import Outputs
from trainer.momentum import Keys, momentum_at
from trainer.objective import Forward, run_model, temporal_terms, total
from trainer.losses.order import order_pairs
from trainer.sample import decode_audio, make_sample

FULL, BARE = "full objective", "networks alone"
_STORED = Stored(height=128, width=170, sample_rate=16_000)
_GOAL = 1.10
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
        keys = nn.functional.normalize(torch.randn(bank.keys.shape, generator=draw), dim=1)
        video = torch.randint(-(2**63), 2**63 - 1, (len(keys),), generator=draw)
        bank.push(keys.to(bank.keys.device), video.to(bank.keys.device))


def network_steps(samples: int, device: torch.device) -> dict[str, Step]:
    """The two sides' steps on one learner of the default size."""
    config = build(PretrainConfig, overrides=["lanes=1", f"batch_size={samples}", "loss.keys=momentum"])
    learner = Learner.build(config, _STORED.sample_rate, 2 * config.loss.bank_size, device)
    full_banks(learner)
    batch = make_batch(config, _STORED, samples, samples).to(device)
    return {
        FULL: lambda: optimise(learner, batch, config, 0),
        BARE: lambda: bare_step(learner, batch, config),
    }


def bare_step(learner: Learner, batch: Batch, config: PretrainConfig) -> None:
    """What `trainer.loop.optimise` does, with the sum of all outputs as the loss."""
    forward = run_model(learner.wrapped, learner.log_mel, batch, config)
    learner.contrast.keys(forward.out, forward.video, forward.audio)
    outputs = [getattr(forward.out, field.name) for field in dataclasses.fields(Outputs)]
    tensors = [tensor for tensor in (*outputs, *forward.order.values()) if tensor is not None]
    loss = torch.stack([tensor.sum() for tensor in tensors]).sum()
    learner.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(learner.model.parameters(), config.grad_clip)
    learner.optimiser.step()
    assert learner.contrast.momentum is not None
    learner.contrast.momentum.follow(learner.model, momentum_at(0, config.steps, config.momentum))


def objective_step(samples: int, device: torch.device) -> Step:
    """The objective alone, forward and backward to random features of `samples` samples."""
    small = Stored(height=16, width=16, sample_rate=8000)
    networks = ["video.encoder=r2plus1d_small", "video.width=8", "video.stages=2", "audio.width=8", "audio.blocks=[1, 1]"]
    config = build(
        PretrainConfig,
        overrides=["lanes=1", f"batch_size={samples}", "loss.keys=momentum", "audio.f_max=3500.0", *networks],
    )
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
        order = {name: torch.randn(len(p.first), 3, device=device).requires_grad_() for name, p in pairs.items()}
        terms = temporal_terms(Forward(out, order, pairs, None, None), batch)
        terms |= learner.contrast.terms(out, Keys(unit(n), unit(n), unit(n)), batch)
        total(terms, config.loss).backward()

    return step


def timed(step: Step, device: torch.device) -> Callable[[], float]:
    """Seconds of a step: of the CPU on a CPU, which is what a busy machine leaves comparable; else on the clock."""

    def measure() -> float:
        clock = time.process_time if device.type == "cpu" else time.monotonic
        _wait(device)
        began = clock()
        step()
        _wait(device)
        return clock() - began

    step()
    return measure


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_mib(side: str, samples: int, device: torch.device) -> float:
    """Peak memory of two steps of one side in a process of its own, MiB: of the GPU, else of the process."""
    command = [sys.executable, "-m", "benchmarks.train_step", "--peak-of", side, "--samples", str(samples)]
    done = subprocess.run([*command, "--device", str(device)], check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def own_peak_mib(side: str, samples: int, device: torch.device) -> float:
    """The same, of this process."""
    step = network_steps(samples, device)[side]
    step()
    step()
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def table_of(
    seconds: dict[str, Sequence[float]], peaks: dict[str, float], alone: Sequence[float], samples: int, many: int
) -> str:
    """The table: both sides, and the objective without networks."""
    ratio = {name: spread(ratios(seconds[name], seconds[BARE]), 3) for name in (FULL, BARE)}
    rows = [
        [f"{name}, {samples} samples", spread(seconds[name], 2), ratio[name], f"{peaks[name]:.0f}"]
        for name in (FULL, BARE)
    ]
    rows.append([f"objective alone, {many} samples of random features", spread(alone, 2), "", ""])
    return markdown(["step", "seconds", f"to {BARE}", "peak memory, MiB"], rows)


def section(table: str, device: torch.device, rounds: int, ratio: float) -> str:
    """The page's section."""
    head = heading(f"Training step: full objective {ratio:.3f} of the networks alone", "python -m benchmarks.train_step --page")
    clock = "CPU seconds of one thread" if device.type == "cpu" else f"Seconds on {torch.cuda.get_device_name(device)}"
    notes = (
        f"{clock}; median (range) of {rounds} rounds in turns; goal: at most {_GOAL:.2f}. R(2+1)D-18 on 16x112x112 and "
        "ResNet-18 on 80 mel bands, two clips of each a sample, momentum keys, all banks full with 65,536 keys. Both "
        "sides augment, run the online networks forward and backward and the momentum networks forward, clip, step and "
        "follow. *Full objective* also draws from and pushes to the banks; *networks alone* adds its outputs up. Peak: "
        "two steps in a process of its own, the whole process on a CPU."
    )
    return "\n\n".join([head, notes, table])


def main() -> None:
    """Run, print, and write the page's section where `--page` is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2, help="of a step with networks")
    parser.add_argument("--many", type=int, default=256, help="samples of the objective alone")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", type=torch.device, default=torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    parser.add_argument("--page", nargs="?", const=PAGE, help=f"write the section of this page ({PAGE})")
    parser.add_argument("--peak-of", choices=(FULL, BARE), help="print this side's peak memory only")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if given.peak_of:
        print(own_peak_mib(given.peak_of, given.samples, given.device))
        return
    peaks = {side: peak_mib(side, given.samples, given.device) for side in (FULL, BARE)}
    steps = network_steps(given.samples, given.device)
    seconds = interleave({name: timed(step, given.device) for name, step in steps.items()}, given.rounds)
    alone = interleave({"alone": timed(objective_step(given.many, given.device), given.device)}, given.rounds)["alone"]
    table = table_of(seconds, peaks, alone, given.samples, given.many)
    ratio = statistics.median(ratios(seconds[FULL], seconds[BARE]))
    print(f"{table}\n\nfull objective {ratio:.3f} of the networks alone (goal: at most {_GOAL:.2f})")
    if given.page:
        write_section(given.page, "train_step", section(table, given.device, given.rounds, ratio))


if __name__ == "__main__":
    main()
