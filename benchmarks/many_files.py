"""Many small distinct videos, cheaply: a few are encoded, the others are these with a number in an extra box."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg

_BASES = 16  # encoded ones
TINY = ("64x48", 12, 1.0)  # size, frames a second, seconds
_A_FOLDER = 1000


def encode(path: Path, size: str, fps: int, seconds: float, zoom: float, *options: str) -> bytes:
    """An MP4 of H.264 and AAC: a zoom with sensor noise, a tone with noise; another `zoom`, another picture."""
    picture = f"mandelbrot=s={size}:r={fps}:start_scale={zoom}:end_scale=0.1:maxiter=400,noise=alls=6:allf=t"
    sound = f"sine=f={200 + 40 * zoom:.0f}:r=44100[a];anoisesrc=r=44100:a=0.05[b];[a][b]amix"
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "lavfi", "-i", picture,
        "-f", "lavfi", "-i", sound, "-t", str(seconds), "-pix_fmt", "yuv420p",
        "-c:v", "libx264", "-preset", "fast", "-c:a", "aac", *options, str(path),
    ]  # fmt: skip
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path.read_bytes()


def numbered(media: bytes, number: int) -> bytes:
    """An MP4 with `number` in a `free` box at its end, which players skip: another content, the same media."""
    text = b"%016d" % number
    return media + (8 + len(text)).to_bytes(4, "big") + b"free" + text


def write_many(folder: Path, bases: Sequence[bytes], count: int) -> list[Path]:
    """Write `count` distinct files, a thousand a folder; the media take turns."""
    paths = []
    for number in range(count):
        path = folder / f"{number // _A_FOLDER:03d}" / f"{number:06d}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(numbered(bases[number % len(bases)], number))
        paths.append(path)
    return paths


def tiny_bases(folder: Path, count: int = _BASES) -> list[bytes]:
    """Videos of `TINY`, some kilobytes each, which take a decoder a few milliseconds."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "base.mp4"
    made = [encode(path, *TINY, 1.5 + 0.1 * number, "-ac", "1") for number in range(count)]
    path.unlink()
    return made
