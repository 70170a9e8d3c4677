"""Python functions as machine code, where numba is installed; otherwise there is none, and callers do without.

Loading numba takes most of a second and, once per installation, some seconds of compiling (the code is kept beside the
function's file, or in the user's cache folder where that is read-only: numba's rule). Nobody waits for that: it is
loaded in a thread of its own once there was work for it, and until then callers do without.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

Function = Callable[..., int]

ENOUGH = 10_000
"""Records in all, from the start of the process, that are worth loading for."""

_TURN = threading.Lock()  # one after the other: each would import numba


class Native:
    """A function and its machine code, if there is any. `signature` is numba's."""

    def __init__(self, function: Function, signature: str) -> None:
        self.function = function
        self.signature = signature
        self._compiled: Function | None = None
        self._seen = 0
        self._asked = False
        self._tried = False

    def worth(self, n: int) -> Function | None:
        """The machine code for a call with `n` records: None if there is none, or not yet."""
        if not self._asked:
            self._seen += n
            if self._seen >= ENOUGH:
                self._asked = True  # by two threads at worst, of which one will find it done
                # Not a daemon: one that ends with the process while it is inside LLVM takes it down with it.
                threading.Thread(target=self.warm, name=f"load {self.function.__name__}").start()
        return self._compiled

    def warm(self) -> None:
        """Load or compile now; wait where that is under way."""
        self._asked = True
        with _TURN:
            if not self._tried:
                self._tried = True
                self._compiled = self._machine_code()

    def _machine_code(self) -> Function | None:
        try:
            import numba
        except ImportError:
            return None
        compiled: Any
        try:
            compiled = numba.njit(self.signature, cache=True, nogil=True)(self.function)
        except RuntimeError:  # no folder that a cache could be written to
            compiled = numba.njit(self.signature, nogil=True)(self.function)
        return compiled  # type: ignore[no-any-return]
