"""What glibc does with memory that is freed: kept for the next use, or given back. Imports nothing of ours.

By its defaults a batch's arrays go back to the kernel, which clears the same pages again for the next batch: twice the
time to decode an event (bench/decode.py), a twentieth of that of a training set. With another C library nothing is
done: it is only slower.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress

KEPT = 256 << 20
"""Bytes of a heap's free end that are kept."""

LARGEST = 32 << 20
"""The largest array that glibc takes from a heap, and what it comes to by itself once such an array was freed."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # mallopt(3)


def keep(*, heaps: int | None = None, largest: int = LARGEST) -> None:
    """Keep freed memory from now on; `heaps`: how many threads share, where that is still open (before the first).

    No heap grows for an array of more than `largest` bytes: without a free piece that is large enough it lies outside,
    and goes back to the kernel as it is freed.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        if heaps is not None:
            libc.mallopt(_ARENA_MAX, heaps)
        libc.mallopt(_TRIM_THRESHOLD, KEPT)
        libc.mallopt(_MMAP_THRESHOLD, largest)


def trim() -> None:
    """Give the kernel what the heaps hold free."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@contextmanager
def kept() -> Iterator[None]:
    """Keep freed memory meanwhile, and give it back at the end."""
    keep()
    try:
        yield
    finally:
        trim()
