"""The packages that a machine with torch and torchvision still lacks, for the Python that it has."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from chronav.errors import JobError

# torchvision brings numpy and pillow; torch brings typing_extensions, perhaps too old a one for pydantic.
PACKAGES = (
    "pydantic",
    "pydantic_core",
    "annotated-types",
    "typing-extensions",
    "typing-inspection",
    "pyyaml",
    "simplejpeg",
    "soundfile",
    "cffi",
    "pycparser",
)
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def unpack_wheels(folder: Path, constraints: Path) -> None:
    """Fetch the wheels at the constraints' exact versions for CPython 3.12 and unpack them, licences included."""
    wanted = {_plain(name) for name in PACKAGES}
    pins = [pin for pin in constraints.read_text().splitlines() if _plain(pin.partition("==")[0]) in wanted]
    if len(pins) != len(PACKAGES):
        raise JobError(f"{constraints} pins {len(pins)} of the {len(PACKAGES)} packages", code="wheels")
    platforms = [part for name in _PLATFORMS for part in ("--platform", name)]
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
    ]
    command += ["--no-deps", "--only-binary=:all:", "--python-version", "3.12", "--implementation", "cp"]
    with tempfile.TemporaryDirectory(prefix="chronav-wheels-") as downloads:
        done = subprocess.run(
            [*command, *platforms, "--dest", downloads, *pins], capture_output=True, text=True
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise JobError(f"cannot fetch the wheels of the bundle: {last}", code="wheels")
        for file in sorted(Path(downloads).glob("*.whl")):
            with zipfile.ZipFile(file) as wheel:
                wheel.extractall(folder)


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_")
