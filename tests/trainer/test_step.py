"""One step: cut into micro-batches, in bfloat16, compiled, or broken."""

from __future__ import annotations

import copy

import pyarrow as pa
import pytest
import torch

from chronav.errors import CallError, JobError
from pipelines.schema import CLIP_SCHEMA
from trainer.batch import collate
from trainer.config import HEADS
from trainer.learner import Learner
from trainer.objective import run_model, see, temporal_counts, temporal_terms
from trainer.sample import decode_audio, make_sample
from trainer.step import optimise
from trainer.stored import stored_row

MOMENTUM = ("loss.keys=momentum", "loss.bank_min_fill=4", "norm=group", "loss.aa=0.5")


def samples_of(kit, config, step: int):
    rows = [kit.row(i, sound=i % 3 != 0) for i in range(8)]
    stored = [stored_row(pa.Table.from_pylist([row], schema=CLIP_SCHEMA), 0) for row in rows]
    made = [
        make_sample(s, decode_audio(s, kit.rate), 8 * step + i, config, kit.rate)
        for i, s in enumerate(stored)
    ]
    return [s for s in made if s is not None]


def learner_of(kit, config) -> Learner:
    learner = Learner.build(config, kit.rate, 200, torch.device("cpu"))
    # Plain gradient descent: Adam would blow rounding up where a gradient is next to nothing.
    learner.optimiser = torch.optim.SGD(learner.model.parameters(), lr=0.01)
    return learner


@pytest.mark.parametrize("parts", [2, 4])
def test_micro_batches_have_the_gradient_of_the_whole_batch(kit, parts):
    """Also where they hold unlike numbers of clips with sound, and with extras out of the banks."""
    whole_config, cut_config = kit.toy_config(*MOMENTUM), kit.toy_config(*MOMENTUM, f"accumulate={parts}")
    whole, cut = learner_of(kit, whole_config), learner_of(kit, cut_config)
    for step in range(4):
        samples = samples_of(kit, whole_config, step)
        size = len(samples) // parts
        micro = [collate(samples[i : i + size], cut_config) for i in range(0, len(samples), size)]
        one = optimise(whole, [collate(samples, whole_config)], whole_config, step)
        many = optimise(cut, micro, cut_config, step)
        assert many.loss == pytest.approx(one.loss, rel=1e-4)
        assert many.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-3)
        for name, term in one.terms.items():
            assert float(many.terms[name].count) == float(term.count)
            assert float(many.terms[name].mean) == pytest.approx(float(term.mean), abs=1e-4), name
    assert whole.contrast.banks["v_vv"].filled == cut.contrast.banks["v_vv"].filled == 64
    torch.testing.assert_close(cut.contrast.state_dict(), whole.contrast.state_dict(), atol=1e-4, rtol=1e-3)


def test_the_objective_is_the_weighted_sum_of_the_means_of_its_terms(kit):
    """L = w_vv L_vv + w_va L_va + w_aa L_aa + lambda_t * (the seven temporal losses, each with its weight)."""
    weights = {name: 0.5 + 0.25 * i for i, name in enumerate(("vv", "va", "aa", *HEADS))}
    config = kit.toy_config(
        *MOMENTUM[:3], "loss.lambda_t=0.3", *(f"loss.{name}={value}" for name, value in weights.items())
    )
    learner = learner_of(kit, config)
    counted = set()
    for step in range(4):
        stepped = optimise(learner, [collate(samples_of(kit, config, step), config)], config, step)
        means = {
            name: float(term.total) / float(term.count) for name, term in stepped.terms.items() if term.count
        }
        counted |= set(means)
        wanted = sum(weights[n] * m * (0.3 if n in HEADS else 1.0) for n, m in means.items())
        assert stepped.loss == pytest.approx(wanted, rel=1e-5)
    assert counted == set(weights)


@pytest.mark.parametrize(("step", "m"), [(0, 0.5), (3, 0.75)])
def test_after_the_update_the_momentum_model_follows_by_the_momentum_of_the_step(kit, step, m):
    """theta' <- m theta' + (1 - m) theta, theta being that after the update; m from .5 to 1 in six steps."""
    config = kit.toy_config(*MOMENTUM, "momentum=0.5", "steps=6")
    learner = learner_of(kit, config)
    learner.optimiser = torch.optim.SGD(learner.model.parameters(), lr=1.0)  # an update that shows
    momentum = learner.contrast.momentum
    with torch.no_grad():
        for parameter in momentum.parameters():
            parameter.add_(0.1)
    before = {name: value.clone() for name, value in momentum.named_parameters()}
    start = {name: value.clone() for name, value in learner.model.named_parameters()}
    optimise(learner, [collate(samples_of(kit, config, 0), config)], config, step)
    online = dict(learner.model.named_parameters())
    assert max(float((online[name] - start[name]).abs().max()) for name in before) > 1e-3
    for name, value in momentum.named_parameters():
        torch.testing.assert_close(value, (m * before[name] + (1 - m) * online[name]).detach())


def test_a_gradient_is_cut_to_its_largest_norm_and_a_smaller_one_left_as_it_is(kit):
    """Seen in the update of plain gradient descent at a rate of 1."""
    moved, norms = [], []
    for largest in (0.01, 1e6):
        config = kit.toy_config(*MOMENTUM, f"grad_clip={largest}")
        learner = learner_of(kit, config)
        learner.optimiser = torch.optim.SGD(learner.model.parameters(), lr=1.0)
        before = [value.detach().clone() for value in learner.model.parameters()]
        stepped = optimise(learner, [collate(samples_of(kit, config, 0), config)], config, 0)
        updates = [
            (value - old).flatten() for value, old in zip(learner.model.parameters(), before, strict=True)
        ]
        moved.append(float(torch.cat(updates).norm()))
        norms.append(stepped.gradient_norm)
    assert 1 < norms[0] < 1e6
    assert moved[0] == pytest.approx(0.01, rel=1e-3)
    assert norms[1] == pytest.approx(norms[0], rel=1e-4)  # it is told before clipping
    assert moved[1] == pytest.approx(norms[1], rel=1e-4)


def test_dropout_of_ones_own_network_is_drawn_anew_each_step_and_alike_after_a_resume(kit):
    """What torch draws is settled by seed, step and rank: a resumed run draws what an undisturbed one would."""
    config = kit.toy_config(*MOMENTUM)
    drawn = []
    for step in (0, 1, 1):
        learner = learner_of(kit, config)
        torch.manual_seed(step + 17)  # whatever the process drew before
        optimise(learner, [collate(samples_of(kit, config, 0), config)], config, step)
        drawn.append(torch.rand(4))
    assert torch.equal(drawn[1], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])


def test_micro_batches_need_momentum_keys_and_a_share_that_they_divide(kit):
    with pytest.raises(CallError, match=r"accumulate needs loss\.keys=momentum"):
        kit.toy_config("accumulate=2")
    with pytest.raises(CallError, match=r"accumulate \(3\) must divide a worker's share of a batch \(8\)"):
        kit.toy_config("accumulate=3", "loss.keys=momentum")


def test_an_average_that_is_not_kept_cannot_be_exported(kit):
    with pytest.raises(CallError, match=r"export_weights=momentum needs loss\.keys=momentum"):
        kit.toy_config("export_weights=momentum")
    config = kit.toy_config(*MOMENTUM, "export_weights=momentum")
    learner = learner_of(kit, config)
    assert learner.exported() is learner.contrast.momentum
    assert learner_of(kit, kit.toy_config(*MOMENTUM)).exported() is not learner.contrast.momentum


def test_a_worker_without_a_modality_runs_synchronised_norms_on_no_clips(kit, monkeypatch):
    config = kit.toy_config(*MOMENTUM, "norm=sync_batch")
    learner = Learner.build(kit.toy_config(*MOMENTUM), kit.rate, 200, torch.device("cpu"))
    silent = collate([s for s in samples_of(kit, config, 0) if not s.waves[0].size], config)
    assert see(learner.log_mel, silent, config).audio is None
    monkeypatch.setattr("trainer.objective.world_size", lambda: 2)
    whole = see(learner.log_mel, collate(samples_of(kit, config, 0), config), config)
    views = see(learner.log_mel, silent, config)
    assert views.video is not None
    assert len(views.video) == 2 * len(silent)
    assert views.audio is not None
    assert whole.audio is not None
    assert views.audio.shape == (0, *whole.audio.shape[1:])
    forward = run_model(learner.model, views, silent, config)  # of another norm: this one needs GPUs
    assert forward.out.speed_a is not None
    assert forward.out.speed_a.shape == (0, 4)
    nothing = see(learner.log_mel, collate([], config), config)
    assert nothing.video is not None
    assert nothing.video.shape == (0, *views.video.shape[1:])


def test_counts_are_known_before_the_networks_have_run(kit):
    config = kit.toy_config(*MOMENTUM)
    learner, batch = learner_of(kit, config), collate(samples_of(kit, config, 0), config)
    forward = run_model(learner.model, see(learner.log_mel, batch, config), batch, config)
    found = {name: float(term.count) for name, term in temporal_terms(forward, batch).items()}
    assert {name: float(count) for name, count in temporal_counts(batch).items()} == found
    assert sum(found.values()) > 0


def test_bfloat16_comes_close_to_float32_and_keeps_losses_and_weights_in_float32(kit):
    exact_config, rough_config = kit.toy_config(*MOMENTUM), kit.toy_config(*MOMENTUM, "precision=bf16")
    exact, rough = learner_of(kit, exact_config), learner_of(kit, rough_config)
    batch = [collate(samples_of(kit, exact_config, 0), exact_config)]
    before = copy.deepcopy(exact.model.state_dict())
    one, other = optimise(exact, batch, exact_config, 0), optimise(rough, batch, rough_config, 0)
    assert one.loss != other.loss  # bfloat16 was used
    for name, term in one.terms.items():
        # bfloat16 has 8 bits of mantissa: features are off by some 2^-8, similarities over tau by ten times that.
        assert float(other.terms[name].mean) == pytest.approx(float(term.mean), abs=0.1), name
        assert other.terms[name].total.dtype == torch.float32
    moves = []
    for learner in (exact, rough):
        state = learner.model.state_dict()
        assert all(value.dtype == torch.float32 for value in state.values() if value.is_floating_point())
        moves.append(torch.cat([(state[name] - before[name]).flatten() for name in before]))
    assert float(torch.nn.functional.cosine_similarity(*moves, dim=0)) > 0.98
    assert rough.contrast.banks["v_vv"].keys.dtype == torch.float32


def test_compiled_encoders_learn_the_same_and_keep_their_names(kit, monkeypatch):
    """Traced by torch.compile, but run by its `eager` backend: the C++ compiler takes two minutes."""
    compile_ = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: compile_(self, backend="eager"))
    plain_config = kit.toy_config(*MOMENTUM)
    plain, compiled = (
        learner_of(kit, config) for config in (plain_config, kit.toy_config(*MOMENTUM, "compile=true"))
    )
    assert compiled.model.state_dict().keys() == plain.model.state_dict().keys()
    for step in range(2):
        batch = [collate(samples_of(kit, plain_config, step), plain_config)]
        torch._dynamo.utils.counters.clear()
        one, other = (optimise(learner, batch, plain_config, step) for learner in (plain, compiled))
        assert other.loss == pytest.approx(one.loss, rel=1e-4)
        assert other.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-3)
        if step == 0:
            assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0


def test_a_gradient_that_is_not_finite_stops_before_the_weights_change(kit):
    config = kit.toy_config(*MOMENTUM)
    learner = learner_of(kit, config)
    learner.model.speed_v.weight.register_hook(lambda gradient: gradient * torch.inf)
    before = copy.deepcopy(learner.model.state_dict())
    with pytest.raises(
        JobError, match=r"not finite at step 3: gradient; any of the clips video0:0, .*video7:0"
    ):
        optimise(learner, [collate(samples_of(kit, config, 0), config)], config, 3)
    weights = {name for name, _ in learner.model.named_parameters()}
    torch.testing.assert_close(
        {name: value for name, value in learner.model.state_dict().items() if name in weights},
        {name: value for name, value in before.items() if name in weights},
    )
