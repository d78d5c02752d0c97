"""Python's search for cycles of objects, held off while something is made that has none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_search_for_cycles() -> Iterator[None]:
    """Inside, objects are freed by their reference counts alone.

    A job of a thousand samples is a hundred thousand new objects without a cycle; meeting so many, Python looks
    through all that the process ever loaded, torch included, again and again: a tenth of the time of small samples.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
