"""What a worker settles in its process before anything large is loaded: its heap, Polars' threads, and NumPy first.

Each is asked once, by a library as it is loaded or by glibc with the first thread, so this comes first and imports
nothing that loads them.

Measured in bench/memory.py: one heap for all threads, which take turns in a flush anyway, is 280 MB smaller with
300,000 entities than a heap for each, and a fifth cheaper. Where the heap grew for a large array, what came to lie
behind it holds it so: the few that find no room lie outside, each faulted in anew. Polars has an allocator of its own,
jemalloc, which keeps freed pages for half a second, and by Polars' settings they count as resident for another one.
"""

from __future__ import annotations

import os
from importlib import import_module

from headrace import heap

GIVE_BACK = "muzzy_decay_ms:0"
"""What Polars' allocator gives back it gives back at once, in place of after a second."""
LARGEST = 2 << 20
"""The largest array, in bytes, for which a worker's heap grows; columns of a flush are smaller."""
_JEMALLOC = "_RJEM_MALLOC_CONF"


def tune(threads: int, *, largest: int = heap.LARGEST) -> None:
    """One heap, which keeps freed memory and grows for arrays up to `largest`; `threads` for Polars; short panics.

    Has no effect on what is loaded already (a verb called from another program). A record that cannot be decoded may
    make Polars panic; that is caught, but with RUST_BACKTRACE set each one prints a trace of thousands of lines.
    """
    os.environ.setdefault(_JEMALLOC, GIVE_BACK)  # Polars looks there, and puts it behind its own
    os.putenv("RUST_BACKTRACE", "0")
    os.putenv("POLARS_MAX_THREADS", str(threads))
    heap.keep(heaps=1, largest=largest)
    # Polars has proxies for libraries that it finds unloaded, and NumPy's fails where two threads use it first at once:
    # it copies NumPy's names over its own (polars/_dependencies.py), and there is a `_globals` among them.
    for library in ("numpy", "pyarrow"):
        import_module(library)
