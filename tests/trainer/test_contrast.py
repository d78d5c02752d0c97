"""Who is paired with whom, what enters the banks and in which order, and when extras begin."""

from __future__ import annotations

import pyarrow as pa
import pytest
import torch

from pipelines.schema import CLIP_SCHEMA
from trainer.batch import Batch, collate
from trainer.contrast import bank_size
from trainer.learner import Learner
from trainer.losses.contrastive import Usual, contrastive_loss
from trainer.losses.extras import draw_extras
from trainer.momentum import Keys
from trainer.noise import gumbel
from trainer.objective import run_model, see
from trainer.sample import decode_audio, make_sample
from trainer.stored import stored_row

MOMENTUM = "loss.keys=momentum"


def make_batch(kit, config, first: int = 0, silent: tuple[int, ...] = ()) -> Batch:
    rows = [kit.row(i, sound=i not in silent) for i in range(4)]
    stored = [stored_row(pa.Table.from_pylist([row], schema=CLIP_SCHEMA), 0) for row in rows]
    samples = [
        make_sample(s, decode_audio(s, kit.rate), first + i, config, kit.rate) for i, s in enumerate(stored)
    ]
    return collate([s for s in samples if s is not None], config)


def step(learner: Learner, config, batch: Batch):
    """The model's answers, the keys and the contrastive terms of one step, after which the banks hold the keys."""
    views = see(learner.log_mel, batch, config)
    out = run_model(learner.model, views, batch, config).out
    if learner.contrast.momentum is None:
        keys = Keys(out.v_vv, out.v_va, out.a_va, out.a_aa)
    else:
        keys = learner.contrast.momentum(views.video, views.audio)
    pool = learner.contrast.pool([keys], [batch])
    terms = learner.contrast.terms(out, keys, batch, pool)
    learner.contrast.follow(learner.model, 0, pool)
    return out, keys, terms


@pytest.fixture
def config(kit):
    return kit.toy_config("loss.aa=1.0", "norm=group", MOMENTUM)


def learner_of(config, kit, epoch_samples: int = 1000) -> Learner:
    return Learner.build(config, kit.rate, epoch_samples, torch.device("cpu"))


def test_without_banks_the_terms_are_those_of_the_usual_pairs(kit, config):
    learner, batch = learner_of(config, kit), make_batch(kit, config, silent=(2,))
    out, keys, terms = step(learner, config, batch)
    # Samples 0, 1 and 3 have sound: audio clips 0..5 belong to video clips 0, 1, 2, 3, 6, 7.
    sounding = torch.tensor([0, 1, 2, 3, 6, 7])
    video = batch.key.repeat_interleave(2)
    other = torch.tensor([1, 0, 3, 2, 5, 4, 7, 6])

    def usual(query, key, paired, ids) -> float:
        return float(contrastive_loss(Usual(query, ids, key[paired], key, ids), config.loss.tau).mean)

    assert float(terms["vv"].mean) == pytest.approx(usual(out.v_vv, keys.v_vv, other, video), rel=1e-5)
    to_audio = usual(out.v_va[sounding], keys.a_va, torch.arange(6), video[sounding])
    to_video = usual(out.a_va, keys.v_va[sounding], torch.arange(6), video[sounding])
    assert float(terms["va"].mean) == pytest.approx((to_audio + to_video) / 2, rel=1e-5)
    assert float(terms["aa"].mean) == pytest.approx(
        usual(out.a_aa, keys.a_aa, other[:6], video[sounding]), rel=1e-5
    )
    assert (float(terms["vv"].count), float(terms["va"].count)) == (8, 12)


def test_keys_enter_the_banks_window_by_window_with_their_videos(kit, config):
    learner, batch = learner_of(config, kit), make_batch(kit, config, silent=(2,))
    _, keys, _ = step(learner, config, batch)
    banks = learner.contrast.banks
    assert {name: bank.filled for name, bank in banks.items()} == {"v_vv": 8, "a_va": 6, "v_va": 6, "a_aa": 6}
    torch.testing.assert_close(banks["v_vv"].keys[:8], keys.v_vv)
    torch.testing.assert_close(banks["v_va"].keys[:6], keys.v_va[[0, 1, 2, 3, 6, 7]])
    torch.testing.assert_close(banks["a_va"].keys[:6], keys.a_va)
    assert banks["v_vv"].video[:8].tolist() == batch.key.repeat_interleave(2).tolist()
    assert banks["a_va"].video[:6].tolist() == batch.key[[0, 1, 3]].repeat_interleave(2).tolist()


def test_extras_begin_once_a_bank_is_full_enough(kit):
    """The same batch again: its own videos fill the bank, so extras come from the others' entries."""
    base = ["norm=group", "loss.n_positives=1", "loss.n_top=2", MOMENTUM]
    values = {}
    for name, least in (("early", 8), ("late", 4000)):
        config = kit.toy_config(*base, f"loss.bank_min_fill={least}")
        learner = learner_of(config, kit, epoch_samples=40_000)
        values[name] = [
            float(step(learner, config, make_batch(kit, config, 4 * i))[2]["vv"].mean) for i in range(3)
        ]
    assert values["early"][0] == values["late"][0]
    assert values["early"][1] != values["late"][1]
    assert all(torch.isfinite(torch.tensor(v)).all() for v in values.values())


def test_extras_are_drawn_by_the_key_from_the_bank_of_what_is_asked_for(kit):
    """Not by the query, and not from its own bank: each direction against the formula of section 4 in float64."""
    config = kit.toy_config(MOMENTUM, "loss.bank_min_fill=4", "loss.n_negatives=6", "norm=group")
    learner, batch = learner_of(config, kit), make_batch(kit, config)
    draw, banks = torch.Generator().manual_seed(5), {}
    for name, bank in learner.contrast.banks.items():
        keys = torch.nn.functional.normalize(torch.randn(40, config.projection_dim, generator=draw), dim=1)
        video = torch.arange(40)
        video[:8] = batch.key.repeat_interleave(2)  # of the batch's own videos: never drawn for their own
        bank.push(keys, video)
        banks[name] = keys, video
    out, keys, terms = step(learner, config, batch)

    def slow(number: int, query: str, key: str, paired: torch.Tensor) -> float:
        (entries, entry_video), stored = banks[key], getattr(keys, key)
        video = batch.key.repeat_interleave(2)
        name = (2 * batch.index[:, None] + torch.arange(2)).flatten() * 4 + number
        noise = gumbel(name, 40, config.seed)
        extras = draw_extras(stored[paired], video, entries, entry_video, noise, config.loss)
        usual = Usual(getattr(out, query).detach(), video, stored[paired], stored, video)
        return kit.slow_with_extras(usual, config.loss.tau, entries, extras)

    same, other = torch.arange(8), torch.tensor([1, 0, 3, 2, 5, 4, 7, 6])
    assert float(terms["vv"].mean) == pytest.approx(slow(0, "v_vv", "v_vv", other), rel=1e-5)
    both = (slow(1, "v_va", "a_va", same) + slow(2, "a_va", "v_va", same)) / 2
    assert float(terms["va"].mean) == pytest.approx(both, rel=1e-5)


@pytest.mark.parametrize(("least", "begins"), [(None, 4), (2, 2)])
def test_a_quarter_of_a_small_bank_is_enough(kit, least, begins):
    """min(bank_min_fill, K / 4) of K = 16: its default, 4,096, would never be reached."""
    changes = [] if least is None else [f"loss.bank_min_fill={least}"]
    config = kit.toy_config(MOMENTUM, "loss.bank_size=16", *changes)
    contrast = learner_of(config, kit).contrast
    bank = contrast.banks["a_va"]
    for filled in range(1, 6):
        bank.push(torch.ones(1, config.projection_dim), torch.tensor([filled]))
        stored = contrast.entries("a_va")
        assert (stored is not None) == (filled >= begins)
        assert stored is None or stored[1].tolist() == list(range(1, filled + 1))


def test_a_bank_holds_at_most_half_an_epoch_and_is_left_out_where_nothing_is_drawn(kit):
    config = kit.toy_config(MOMENTUM)
    assert bank_size(config, 1001) == 500
    assert bank_size(config, 10**9) == 65_536
    assert bank_size(kit.toy_config(MOMENTUM, "loss.n_positives=0"), 1000) == 500
    assert bank_size(kit.toy_config("loss.keys=online", "loss.n_positives=1"), 1000) == 500
    none = kit.toy_config(MOMENTUM, "loss.n_positives=0", "loss.n_negatives=0")
    assert bank_size(none, 1000) == 0
    assert len(learner_of(none, kit).contrast.banks) == 0


def test_keys_of_the_online_model_have_a_gradient_and_those_of_the_momentum_model_have_none(kit):
    for name, expected in (("online", True), ("momentum", False)):
        config = kit.toy_config(f"loss.keys={name}", "norm=group")
        learner, batch = learner_of(config, kit), make_batch(kit, config)
        _, keys, _ = step(learner, config, batch)
        assert keys.v_vv is not None
        assert keys.v_vv.requires_grad == expected
        assert learner.contrast.pool([keys], [batch]).keys["v_vv"].requires_grad == expected


def test_counts_are_known_before_the_networks_have_run(kit, config):
    learner, batch = learner_of(config, kit), make_batch(kit, config, silent=(2,))
    _, _, terms = step(learner, config, batch)
    assert {n: int(c) for n, c in learner.contrast.counts(batch).items()} == {
        n: int(t.count) for n, t in terms.items()
    }


def test_a_term_of_weight_zero_costs_nothing(kit):
    config = kit.toy_config("loss.vv=0")
    _, _, terms = step(learner_of(config, kit), config, make_batch(kit, config))
    assert set(terms) == {"va"}
