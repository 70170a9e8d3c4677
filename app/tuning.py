"""What a worker asks of its process before it begins: a heap that keeps its pages, and compiled code loaded.

Measured in bench/decode.py: with glibc's defaults every flush gives its arrays back to the kernel and faults them
in again, which doubles the time to decode an event.
"""

from __future__ import annotations

import ctypes
import os

from headrace import wire

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)
_KEPT = 256 << 20
_MMAP_MAX = 32 << 20  # the largest that glibc takes


def tune() -> None:
    """Keep freed memory for the next flush, load the compiled decoders, and keep Rust's panics short.

    A record that cannot be decoded may make Polars panic; that is caught, but with RUST_BACKTRACE set each one
    prints a trace of thousands of lines.
    """
    os.putenv("RUST_BACKTRACE", "0")
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_TRIM_THRESHOLD, _KEPT)
        libc.mallopt(_MMAP_THRESHOLD, _MMAP_MAX)
    except (OSError, AttributeError):
        pass  # another C library: only slower
    wire.warm()
