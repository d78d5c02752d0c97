"""The command as a process of its own ends with its exit code, whatever still runs in it."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import atexit, sys, threading, time
import chronav.__main__ as command

def main():
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    atexit.register(print, "handlers were called")
    print("said", flush=False)
    {end}

command.main = main
command.run()
"""


@pytest.mark.parametrize(
    ("end", "code"),
    [("sys.exit(2)", 2), ("sys.exit(0)", 0), ("sys.exit(130)", 130), ("raise ValueError('broken')", 1)],
)
def test_the_exit_code_is_kept_and_nothing_is_lost(end: str, code: int) -> None:
    call = [sys.executable, "-c", SCRIPT.format(end=end)]
    done = subprocess.run(call, capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert done.stdout == "said\nhandlers were called\n"
    assert ("ValueError: broken" in done.stderr) == (code == 1)


def test_python_does_not_get_to_end_its_threads() -> None:
    """What kills a process with Ray in it is Python's own end: it must not be reached."""
    script = SCRIPT.format(end="sys.exit(2)").replace(
        "def main():", "class Late:\n    def __del__(self): print('Python ended')\nlate = Late()\ndef main():"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "said\nhandlers were called\n")
