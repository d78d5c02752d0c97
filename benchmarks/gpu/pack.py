"""`make gpu-pack`: code, packages and clips in one file of at most 40 MiB that runs by itself (docs/gpu.md)."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu.clips import Row, choose, heldout_units, sounding_rows, unit
from benchmarks.gpu.launch import VENDORED
from benchmarks.gpu.shard import Shard, write_shard
from benchmarks.gpu.wheels import unpack_wheels
from chronav import __version__
from chronav.config import build
from chronav.errors import ChronavError, JobError
from pipelines.config import IngestConfig

ROOT = Path(__file__).parents[2]
LIMIT_BYTES = 40 * 2**20
_CODE = ("chronav", "trainer", "benchmarks/__init__.py", "benchmarks/gpu")
_MAKES_THE_BUNDLE = ("pack.py", "clips.py", "wheels.py", "launch.py")
_MARGIN_BYTES = 64 * 2**10  # for the archive's own directory
_EPOCH = (2026, 1, 1, 0, 0, 0)  # of files in the archive: the same content gives the same bundle


def pack(media: Path, bundle: Path, work: Path, limit: int = LIMIT_BYTES) -> dict[str, int]:
    """Write `bundle`; returns counts. `work`: a folder for clip tables, used again by the next call.

    Raises `JobError` where the bundle would be larger than `limit` bytes.
    """
    bundle.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="chronav-pack-") as name:
        vendor = Path(name) / VENDORED
        unpack_wheels(vendor, ROOT / "constraints.txt")
        _write_code(bundle, vendor)
        room = limit - bundle.stat().st_size - _MARGIN_BYTES
        rows = choose(sounding_rows(media, work / "tables"), room)
        if not rows:
            raise JobError(f"no clip fits into the {room} bytes that are left of {limit}", code="too_large")
        shard = Path(name) / "clips.shard"
        _write_rows(shard, rows)
        counts = {"videos": len({row["video_id"] for row in rows}), "segments": len(rows)}
        counts["heldout_segments"] = len(Shard(shard).select(heldout=True))
        with zipfile.ZipFile(bundle, "a") as archive:
            _add(archive, shard, shard.name, zipfile.ZIP_STORED)
    counts["bytes"] = bundle.stat().st_size
    if counts["bytes"] > limit:
        bundle.unlink()
        raise JobError(f"the bundle has {counts['bytes']} bytes, more than {limit}", code="too_large")
    return counts


def _write_code(bundle: Path, vendor: Path) -> None:
    with zipfile.ZipFile(bundle, "w") as archive:
        _add(archive, ROOT / "benchmarks/gpu/launch.py", "__main__.py")
        _add(archive, ROOT / "LICENSE", "LICENSE")
        for part in _CODE:
            path = ROOT / part
            files = [path] if path.is_file() else sorted(path.rglob("*.py"))
            for file in files:
                if not (file.parent.name == "gpu" and file.name in _MAKES_THE_BUNDLE):
                    _add(archive, file, file.relative_to(ROOT).as_posix())
        for file in sorted(vendor.rglob("*")):
            if file.is_file():
                _add(archive, file, f"{VENDORED}/{file.relative_to(vendor).as_posix()}")


def _write_rows(path: Path, rows: Sequence[Row]) -> None:
    held = heldout_units(rows)
    marked = [row | {"heldout": unit(row) in held} for row in rows]
    settings = build(IngestConfig)
    about = {
        "code_version": __version__,
        "sample_rate": settings.sample_rate,
        "ingest": settings.model_dump(mode="json"),
    }
    write_shard(path, marked, about)


def _add(archive: zipfile.ZipFile, file: Path, name: str, compression: int = zipfile.ZIP_DEFLATED) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.external_attr = 0o644 << 16
    info.compress_type = compression
    archive.writestr(info, file.read_bytes(), compresslevel=9)


def main() -> int:
    """Pack, and say what is in the bundle."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = os.environ.get("CHRONAV_TEST_DATA", ROOT.parent / "shared" / "data")
    parser.add_argument("--media", type=Path, default=Path(default), help="folder of videos with sound")
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "chronav-gpu.pyz", help="the bundle")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "gpu", help="clip tables are kept here")
    given = parser.parse_args()
    try:
        counts = pack(given.media.resolve(), given.out.resolve(), given.work.resolve())
    except ChronavError as error:
        print(f"gpu-pack: {error}", file=sys.stderr)
        return error.exit_code
    print(
        f"{given.out}: {counts['bytes'] / 2**20:.1f} MiB of at most {LIMIT_BYTES / 2**20:g}, {counts['segments']} "
        f"segments of {counts['videos']} videos with sound, {counts['heldout_segments']} of them held out"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
