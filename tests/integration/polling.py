"""Waiting for a condition, with a deadline: what tests of processes do in place of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(what: str, look: Callable[[], T], seconds: float = 120.0) -> T:
    """What `look()` returns once it is true; AssertionError with `what` and the last answer after `seconds`.

    Between two looks it sleeps as long as a look takes: one that recomputes everything, or starts a process, would
    take the core from what it waits for.
    """
    end = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        found = look()
        if found:
            return found
        now = time.monotonic()
        assert now < end, f"{what}: not after {seconds:.0f} s; last seen: {found!r}"
        time.sleep(min(max(0.05, now - begun), 2.0))
