"""Lines that a worker leaves reach the person who watches."""

from __future__ import annotations

from typing import Any

import pytest
import ray

from trainer.board import Board, Watcher


class Local:
    """The board without an actor: `board.method.remote(...)` calls at once."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._board, name)
        return type("Method", (), {"remote": staticmethod(method)})


@pytest.fixture
def board(monkeypatch) -> Any:
    monkeypatch.setattr(ray, "get", lambda value: value)
    return Local(Board())


def test_a_warning_is_said_once_even_if_it_comes_last(board, capsys):
    with Watcher(board, steps=10):
        board.warn.remote("collapse at step 10")
    assert capsys.readouterr().err.count("collapse at step 10") == 1
    assert board.take_warnings.remote() == []
