"""How a process that works batch by batch keeps its memory: what one needed, the next one needs again."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of malloc.h
_KEPT = 1 << 30
_OLD_LIMIT = 32 << 20  # the most that older glibc takes for blocks


def keep_freed_memory() -> bool:
    """Have the C library keep blocks of up to 1 GiB when they are freed; False where it cannot be told to.

    Otherwise what a network's operations need together comes from the system for each batch and goes back to it, page
    by page: of a small network's forward pass on a CPU that takes a third. In threads, as Ray Train's, it helps
    less: their arenas give large blocks back all the same.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no glibc
        return False
    kept = mallopt(_MMAP_THRESHOLD, _KEPT) or mallopt(_MMAP_THRESHOLD, _OLD_LIMIT)
    return bool(kept and mallopt(_TRIM_THRESHOLD, _KEPT) and mallopt(_TOP_PAD, 16 << 20))
