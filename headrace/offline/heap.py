"""Freed arrays stay in the process while a training set is made, and go when it is done.

By glibc's defaults each batch's arrays are given back to the kernel, which clears the same pages for the next batch:
a twentieth of the time. Refuses to know how much memory there is: it keeps a fixed amount at most.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress

KEPT = 256 << 20
"""Bytes of a heap's free end that are kept."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)
_MMAP_MAX = (
    32 << 20
)  # the largest that glibc takes, and what it comes to by itself once such an array was freed


@contextmanager
def kept() -> Iterator[None]:
    """Meanwhile freed memory is used again; afterwards it is given back. Without glibc: nothing is done."""
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_TRIM_THRESHOLD, KEPT)
        libc.mallopt(_MMAP_THRESHOLD, _MMAP_MAX)
    try:
        yield
    finally:
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)
