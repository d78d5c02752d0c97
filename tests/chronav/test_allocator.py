"""Memory that is freed stays with the process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource, sys
import torch
from chronav.allocator import keep_freed_memory

if sys.argv[1] == "kept":
    assert keep_freed_memory()
for round_ in range(60):
    if round_ == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = [torch.ones(12 << 20) for _ in range(2)]  # 48 MiB each: more than glibc ever keeps of its own accord
    del held
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to")
def test_what_was_freed_is_not_asked_for_again() -> None:
    faults = {}
    for how in ("plain", "kept"):
        done = subprocess.run(
            [sys.executable, "-c", _FAULTS, how], capture_output=True, text=True, check=True
        )
        faults[how] = int(done.stdout)
    assert faults["kept"] < faults["plain"] / 5
