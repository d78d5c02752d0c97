"""How fast the generated world is made: `python -m benchmarks.world` prints videos a second."""

from __future__ import annotations

import os
import tempfile
import time

from pipelines.world import CLASSES, WorldConfig, make_world, render_video

_VIDEOS_PER_CLASS = 20


def main() -> None:
    """Render in one process, then make a world with all cores, and print both rates."""
    config = WorldConfig(videos_per_class=_VIDEOS_PER_CLASS)
    start = time.perf_counter()
    for label in CLASSES:
        render_video(config, label, 1, 1)
    rendered = len(CLASSES) / (time.perf_counter() - start)
    with tempfile.TemporaryDirectory() as folder:
        made = make_world(folder, config)
    shape = f"{config.size}x{config.size}, {config.frames} frames, {config.duration_s:g} s of sound"
    print(f"render and synthesise, one process: {rendered:.1f} videos/s ({shape})")
    print(
        f"the whole world, {os.cpu_count()} cores: {made.videos / made.seconds:.1f} videos/s "
        f"({made.videos} videos, {config.codec}, start of the processes included)"
    )


if __name__ == "__main__":
    main()
