from __future__ import annotations

from chronav import summaries

OUTCOME = {
    "steps": 10,
    "samples": 80,
    "seconds": 4.0,
    "accuracies": {},
    "heldout_videos": 12,
    "export": "out/export",
}


def test_a_resumed_run_counts_the_samples_of_its_own_call() -> None:
    whole = summaries.pretrain(OUTCOME | {"begun_at_step": 0})
    assert whole.startswith("10 steps, 80 samples in 4 s;")
    resumed = summaries.pretrain(OUTCOME | {"begun_at_step": 6})
    assert resumed.startswith("10 steps, 4 of them in this call, 32 samples in 4 s;")
