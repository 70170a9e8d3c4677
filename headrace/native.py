"""Python functions as machine code, where numba is installed; otherwise there is none, and callers do without.

Loading numba takes a third of a second and, once per installation, some seconds of compiling (the code is kept
beside the function's file, or in the user's cache folder where that is read-only: numba's rule). So it is loaded
when there is work for it, or by `warm`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

Function = Callable[..., int]

ENOUGH = 2_000
"""Records in one call that are worth loading for."""


class Native:
    """A function and its machine code, if there is any. `signature` is numba's."""

    def __init__(self, function: Function, signature: str) -> None:
        self.function = function
        self.signature = signature
        self._compiled: Function | None = None
        self._tried = False

    def worth(self, n: int) -> Function | None:
        """The machine code for a call with `n` records: None if there is none, or it is not loaded and not worth it."""
        if not self._tried and n >= ENOUGH:
            self.warm()
        return self._compiled

    def at_all(self, n: int) -> Function:
        """The machine code for a call with `n` records, or the function itself: slow, and right."""
        return self.worth(n) or self.function

    def warm(self) -> None:
        """Load or compile now."""
        if self._tried:
            return
        self._tried = True
        try:
            import numba
        except ImportError:
            return
        compiled: Any
        try:
            compiled = numba.njit(self.signature, cache=True, nogil=True)(self.function)
        except RuntimeError:  # no folder that a cache could be written to
            compiled = numba.njit(self.signature, nogil=True)(self.function)
        self._compiled = compiled


_PAGEOUT = 21  # madvise(2), since Linux 5.4
_COMPILER = "llvmlite"


def put_compiler_away() -> int:
    """Let the compiler's library leave memory, some 65 MB, now that all that is wanted is loaded or compiled.

    Compiling once more reads it in again. Gives how many bytes of address space it takes; 0 where it is not loaded or
    the system has no such call.
    """
    found = 0
    with suppress(OSError, AttributeError):
        madvise = ctypes.CDLL("libc.so.6").madvise
        madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for line in Path("/proc/self/maps").read_text().splitlines():
            if _COMPILER in line:
                start, end = (int(place, 16) for place in line.split(maxsplit=1)[0].split("-"))
                if madvise(start, end - start, _PAGEOUT) == 0:
                    found += end - start
    return found
