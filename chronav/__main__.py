"""The command `chronav` as a process: `python -m chronav`, and what the console script calls."""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress

from chronav.cli import main


def run() -> None:
    """Run the command, and end the process with its exit code whatever else still runs in it.

    Ray, Arrow and MLflow leave threads behind that never end by themselves. Where Python's own end comes upon one of
    them inside C++ code, the process dies of "terminate called without an active exception" and exit code 134, after
    everything was said and written. So this process ends itself, when Python would begin to: after its threads that
    can be waited for, and after all other exit handlers, for the first that is entered is the last to be called.
    """
    code = 1

    def end() -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # nobody reads it any more
                stream.flush()
        os._exit(code)

    atexit.register(end)
    try:
        main()
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 0
        raise
    except KeyboardInterrupt:
        code = 130
        raise


if __name__ == "__main__":
    run()
