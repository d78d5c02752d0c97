"""Where rank 0 shows how far training is, and the driver looks and asks it to stop."""

from __future__ import annotations

import threading
from typing import Any

from chronav.progress import Bar, say


class Board:
    """A small Ray actor: the latest step and metrics, and the outcome at the end."""

    def __init__(self) -> None:
        self._step = 0
        self._note = ""
        self._outcome: dict[str, Any] | None = None
        self._warnings: list[str] = []
        self._stop = False

    def post(self, step: int, note: str) -> None:
        """Show a step."""
        self._step, self._note = step, note

    def warn(self, text: str) -> None:
        """Leave a line for the person who watches."""
        self._warnings.append(text)

    def take_warnings(self) -> list[str]:
        """The lines left since the last call."""
        taken, self._warnings = self._warnings, []
        return taken

    def ask_to_stop(self) -> None:
        """Ask the workers to save and to stop."""
        self._stop = True

    def stop_asked(self) -> bool:
        """Whether the workers are asked to save and to stop."""
        return self._stop

    def finish(self, outcome: dict[str, Any]) -> None:
        """Leave what the run came to."""
        self._outcome = outcome

    def read(self) -> tuple[int, str]:
        """The latest step and note."""
        return self._step, self._note

    def outcome(self) -> dict[str, Any] | None:
        """What the run came to, once it has ended."""
        return self._outcome


def new_board() -> Any:
    """A handle of a board that lives where this process does: the nodes of workers may be lost without it."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=here)(Board).remote()


class StopListener:
    """On rank 0: asks the board once a second, from a thread, so that no step waits for the answer."""

    def __init__(self, board: Any) -> None:
        self._board = board
        self._asked, self._closed = threading.Event(), threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def asked(self) -> bool:
        """Whether the driver has asked for a stop."""
        return self._asked.is_set()

    def close(self) -> None:
        """Stop listening."""
        self._closed.set()

    def _listen(self) -> None:
        import ray

        while not self._closed.wait(1.0):
            if ray.get(self._board.stop_asked.remote()):
                self._asked.set()
                return


class Watcher:
    """Shows a board as a progress bar, from a thread, while the driver waits for the job."""

    def __init__(self, board: Any, steps: int, name: str = "pretrain") -> None:
        self._board, self._steps, self._name = board, steps, name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _watch(self) -> None:
        import ray

        with Bar(self._name, self._steps, "steps", resumed=True) as bar:
            while not self._stop.wait(1.0):
                step, note = ray.get(self._board.read.remote())
                if step:
                    bar.update(step, note)
                self._say_warnings()
        self._say_warnings()

    def _say_warnings(self) -> None:
        import ray

        for line in ray.get(self._board.take_warnings.remote()):
            say(line)
