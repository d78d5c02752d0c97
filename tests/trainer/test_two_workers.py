"""Two workers with half of every batch each learn what one worker learns from the whole, whatever a half lacks."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import simplejpeg
import soundfile
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from pipelines.schema import CLIP_SCHEMA
from trainer.batch import Batch, collate
from trainer.config import PretrainConfig
from trainer.dist import rank, world_size
from trainer.learner import Learner
from trainer.sample import decode_audio, make_sample
from trainer.step import optimise
from trainer.stored import stored_row

STEPS = 20
# Which of the eight samples of a batch have sound.
SOUND = {
    "both halves": [True] * 8,
    "uneven halves": [True, True, True, True, True, False, False, False],
    "one half has none": [True, True, True, True, False, False, False, False],
}


def _row(kit: Any, video: int, sound: bool) -> dict[str, Any]:
    """A segment unlike the others: where clips look alike, rounding decides who is whose nearest neighbour.

    Twenty steps blow up what such a decision changes; the first number below was chosen so that none is so close.
    """
    rng = np.random.default_rng((2, video))
    row = kit.row(video, sound=sound)
    cells = 2 + video
    pattern = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
    at = np.ix_(
        np.arange(row["height"]) * cells // row["height"], np.arange(row["width"]) * cells // row["width"]
    )
    picture = pattern[at]
    moving = [np.roll(picture, t * (1 + video), axis=1) for t in range(row["n_frames"])]
    row["frames"] = [simplejpeg.encode_jpeg(np.ascontiguousarray(frame), quality=85) for frame in moving]
    if sound:
        t = np.arange(10 * kit.rate) / kit.rate
        tones = [
            np.sin(2 * np.pi * hz * t) * np.sin(2 * np.pi * (1 + video) * t)
            for hz in 100 + 1200 * rng.random(3)
        ]
        file = io.BytesIO()
        soundfile.write(file, (np.mean(tones, axis=0) * 20_000).astype(np.int16), kit.rate, format="FLAC")
        row["audio"] = file.getvalue()
    return row


def _batches(kit: Any, config: PretrainConfig, sound: list[bool]) -> list[list[Batch]]:
    """For each step the whole batch and its two halves."""
    rows = [_row(kit, i, has) for i, has in enumerate(sound)]
    stored = [stored_row(pa.Table.from_pylist([row], schema=CLIP_SCHEMA), 0) for row in rows]
    opened = [(row, decode_audio(row, kit.rate)) for row in stored]
    made = []
    for step in range(STEPS):
        drawn = [make_sample(*pair, 8 * step + i, config, kit.rate) for i, pair in enumerate(opened)]
        samples = [sample for sample in drawn if sample is not None]
        assert len(samples) == 8
        made.append([collate(part, config) for part in (samples, samples[:4], samples[4:])])
    return made


def _learn(config: PretrainConfig, sample_rate: int, batches: list[Batch]) -> dict[str, Any]:
    learner = Learner.build(config, sample_rate, 48, torch.device("cpu"))
    # Plain gradient descent: Adam would blow rounding up where a gradient is next to nothing.
    learner.optimiser = torch.optim.SGD(learner.model.parameters(), lr=0.01)
    losses, norms, first = [], [], {}
    for step, batch in enumerate(batches):
        stepped = optimise(learner, [batch], config, step)
        losses.append({name: float(term.mean) for name, term in stepped.terms.items()})
        norms.append(stepped.gradient_norm)
        first = first or copy.deepcopy(_banks(learner.contrast.state_dict()))
    return {
        "losses": losses,
        "norms": norms,
        "state": learner.model.state_dict(),
        "contrast": learner.contrast.state_dict(),
        "banks after a step": first,
        "filled": {name: bank.filled for name, bank in learner.contrast.banks.items()},
    }


def _banks(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name.startswith("banks.")}


def _worker(number: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=number, world_size=2)
    torch.set_num_threads(1)
    job = torch.load(f"{folder}/job.pt", weights_only=False)  # written by this test
    halves = [step[1 + rank()] for step in job["batches"]]
    learnt = _learn(job["config"], job["rate"], halves)
    torch.save(learnt, f"{folder}/{rank()}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.parametrize(
    ("case", "keys"), [*((case, "momentum") for case in SOUND), ("one half has none", "online")]
)
def test_two_workers_equal_one(kit: Any, tmp_path: Path, case: str, keys: str) -> None:
    config = kit.toy_config("norm=group", "loss.bank_min_fill=4", "loss.aa=0.5", f"loss.keys={keys}")
    batches = _batches(kit, config, SOUND[case])
    torch.save({"config": config, "rate": kit.rate, "batches": batches}, tmp_path / "job.pt")
    mp.spawn(_worker, args=(str(tmp_path),), nprocs=2)
    assert world_size() == 1
    threads = torch.get_num_threads()
    torch.set_num_threads(
        1
    )  # as in the workers: sums in another order differ by what twenty steps make of rounding
    one = _learn(config, kit.rate, [step[0] for step in batches])
    torch.set_num_threads(threads)
    halves = [torch.load(tmp_path / f"{number}.pt", weights_only=True) for number in range(2)]
    assert len(_banks(one["contrast"])) > 0
    # Bit for bit among the workers, at the end of all steps as well.
    torch.testing.assert_close(_banks(halves[0]["contrast"]), _banks(halves[1]["contrast"]), atol=0, rtol=0)
    for number, two in enumerate(halves):
        # While the weights are still the same, the banks differ by the rounding of a forward pass and no more.
        torch.testing.assert_close(two["banks after a step"], one["banks after a step"], atol=1e-6, rtol=1e-6)
        for step, (mine, theirs) in enumerate(zip(one["losses"], two["losses"], strict=True)):
            assert theirs == pytest.approx(mine, abs=1e-4), (number, step)
        assert two["norms"] == pytest.approx(one["norms"], rel=5e-3)
        assert two["filled"] == one["filled"]
        assert all(two["filled"].values())
        for part in ("state", "contrast"):
            torch.testing.assert_close(two[part], one[part], atol=1e-4, rtol=1e-3)
