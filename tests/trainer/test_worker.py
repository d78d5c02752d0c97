"""What a worker does for a node that is about to be taken away."""

from __future__ import annotations

import ray.train

from trainer.worker import WorkerHooks


def test_an_announced_loss_of_a_node_is_saved_for_once(monkeypatch):
    announced: list[object] = []
    asked = []

    def info() -> object | None:
        asked.append(len(announced))
        return announced[0] if announced else None

    monkeypatch.setattr(ray.train, "get_preemption_info", info)
    hooks = object.__new__(WorkerHooks)  # the rest of it needs a Ray Train worker
    hooks.preempted = False
    assert [step for step in range(1, 31) if hooks.save_wanted(step)] == []
    assert len(asked) == 3  # a look is a round of messages: not at every step
    announced.append(object())
    assert [step for step in range(31, 71) if hooks.save_wanted(step)] == [40]
    assert len(asked) == 4
