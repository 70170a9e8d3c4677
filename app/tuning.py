"""What a worker settles in its process before anything large is loaded: its heaps, Polars' threads, and NumPy first.

Each is asked once, by a library as it is loaded or by glibc with the first thread, so this comes first and imports
nothing of ours.

Measured in bench/decode.py: with glibc's defaults every flush gives its arrays back to the kernel and faults them
in again, which doubles the time to decode an event. Measured in bench/memory.py: one heap for all threads, which take
turns in a flush anyway, is 280 MB smaller with 300,000 entities than a heap for each, and a fifth cheaper.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from importlib import import_module

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # mallopt(3)
_KEPT = 256 << 20
_MMAP_MAX = 32 << 20  # the largest that glibc takes


def tune(threads: int) -> None:
    """One heap, which keeps freed memory for the next flush; `threads` for Polars; short panics.

    Has no effect on what is loaded already (a verb called from another program). Polars sets its own allocator, which
    gives freed pages back within a second and a half. A record that cannot be decoded may make Polars panic; that is
    caught, but with RUST_BACKTRACE set each one prints a trace of thousands of lines.
    """
    os.putenv("RUST_BACKTRACE", "0")
    os.putenv("POLARS_MAX_THREADS", str(threads))
    with suppress(OSError, AttributeError):  # another C library: only slower
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_ARENA_MAX, 1)
        libc.mallopt(_TRIM_THRESHOLD, _KEPT)
        libc.mallopt(_MMAP_THRESHOLD, _MMAP_MAX)
    # Polars has proxies for libraries that it finds unloaded, and NumPy's fails where two threads use it first at once:
    # it copies NumPy's names over its own (polars/_dependencies.py), and there is a `_globals` among them.
    for library in ("numpy", "pyarrow"):
        import_module(library)


def trim() -> None:
    """Give the kernel what the heap holds free."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
