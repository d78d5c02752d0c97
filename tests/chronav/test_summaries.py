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


def test_a_dry_run_without_a_table_says_so() -> None:
    counted = ("files", "new", "changed", "retried", "unchanged", "removed", "to_decode", "ok", "rejected")
    outcome = dict.fromkeys(
        (
            *counted,
            "relabelled",
            "failed",
            "missing",
            "ignored",
            "remaining",
            "segments",
            "segments_with_sound",
        ),
        0,
    )
    outcome |= {"dry_run": True, "seconds": 0.1, "reasons": {}, "table": "/t", "table_version": None}
    assert "table /t (no table yet): 0 segments" in summaries.ingest(outcome)
    assert "table /t version 3: 0 segments" in summaries.ingest(outcome | {"table_version": 3})
