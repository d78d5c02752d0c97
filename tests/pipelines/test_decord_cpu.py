"""decord beside torch in one process: a plain `import decord` crashes torch's next matrix product."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("first", ["pipelines.decord_cpu", "torch"])
def test_torch_multiplies_matrices_after_decord(first: str) -> None:
    done = _run(
        f"import {first}\n"
        "import pipelines.decord_cpu, torch\n"
        "product = torch.ones(64, 64) @ torch.ones(64, 64)\n"
        "assert (product == 64).all()\n"
        "assert 'nvblas' not in open('/proc/self/maps').read()\n"
    )
    assert done.returncode == 0, done.stderr


def test_the_way_to_other_packages_is_open_again() -> None:
    done = _run(
        "import importlib.util, sys\n"
        "before = importlib.util.find_spec('nvidia')\n"
        "import pipelines.decord_cpu\n"
        "after = importlib.util.find_spec('nvidia')\n"
        "assert (before is None) == (after is None)\n"
        "assert sys.modules.get('nvidia', before) is not None or before is None\n"
    )
    assert done.returncode == 0, done.stderr


def test_nothing_imports_decord_past_it() -> None:
    files = [
        path
        for folder in ("pipelines", "trainer", "evaluation", "deploy", "chronav", "tests")
        for path in (ROOT / folder).rglob("*.py")
    ]
    plain = [
        path.name
        for path in files
        if any(
            line.strip().startswith(("import decord", "from decord "))
            for line in path.read_text().splitlines()
        )
    ]
    assert plain == []
