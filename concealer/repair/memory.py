"""Freed memory kept for the next picture."""

from __future__ import annotations

import ctypes
import functools

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h of the GNU C library
_KEPT = 64 << 20
_LARGEST = 16 << 20


@functools.cache
def keep_freed_memory() -> bool:
    """Let this process's allocator keep up to 64 MB that were freed, blocks of up to 16 MB among them.

    A repair frees and takes the same few megabytes over and over. By default the GNU C library hands them back to the
    system each time, and getting them again, a page fault for every 4 kB, was a quarter of a repair's time. Returns
    False where the C library has no such setting.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST)) and bool(mallopt(_TRIM_THRESHOLD, _KEPT))
