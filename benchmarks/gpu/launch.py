"""First file to run of the bundle `chronav-gpu.pyz`: unpacks it into a temporary folder and starts the check there.

Standard library only.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

VENDORED = "vendor"
BUILT_FOR = (3, 12)
NEEDED = ("torch", "torchvision", "numpy", "pydantic", "yaml", "simplejpeg", "soundfile")


def main() -> int:
    """Run the check of the bundle that this file lies in; its exit code."""
    bundle = Path(__file__).parent
    with tempfile.TemporaryDirectory(prefix="chronav-gpu-") as name:
        folder = Path(name)
        with zipfile.ZipFile(bundle) as archive:
            archive.extractall(folder)
        own = [str(folder)]
        # The packages inside are compiled for one version of Python; another one has to bring its own.
        if sys.version_info[:2] == BUILT_FOR:
            own.insert(0, str(folder / VENDORED))
        sys.path[:0] = own
        missing = [package for package in NEEDED if importlib.util.find_spec(package) is None]
        if missing:
            version = ".".join(map(str, sys.version_info[:2]))
            print(f"missing in this Python {version}: {', '.join(missing)} (docs/gpu.md)", file=sys.stderr)
            return 2
        known = [path for path in (os.environ.get("PYTHONPATH"),) if path]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([*own, *known])}
        command = [sys.executable, "-P", "-m", "benchmarks.gpu.check", *sys.argv[1:]]
        try:
            return subprocess.call(command, env=environment)
        except KeyboardInterrupt:
            return 130


if __name__ == "__main__":
    sys.exit(main())
