"""What a worker settles in its process before anything large is loaded: its heap, Polars' threads, and NumPy first.

Each is asked once, by a library as it is loaded or by glibc with the first thread, so this comes first and imports
nothing that loads them.

Measured in bench/memory.py: one heap for all threads, which take turns in a flush anyway, is 280 MB smaller with
300,000 entities than a heap for each, and a fifth cheaper.
"""

from __future__ import annotations

import os
from importlib import import_module

from headrace import heap


def tune(threads: int) -> None:
    """One heap, which keeps freed memory for the next flush; `threads` for Polars; short panics.

    Has no effect on what is loaded already (a verb called from another program). Polars sets its own allocator, which
    gives freed pages back within a second and a half. A record that cannot be decoded may make Polars panic; that is
    caught, but with RUST_BACKTRACE set each one prints a trace of thousands of lines.
    """
    os.putenv("RUST_BACKTRACE", "0")
    os.putenv("POLARS_MAX_THREADS", str(threads))
    heap.keep(heaps=1)
    # Polars has proxies for libraries that it finds unloaded, and NumPy's fails where two threads use it first at once:
    # it copies NumPy's names over its own (polars/_dependencies.py), and there is a `_globals` among them.
    for library in ("numpy", "pyarrow"):
        import_module(library)
