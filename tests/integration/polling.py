"""Waiting for a condition, with a deadline: what tests of processes do in place of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(what: str, look: Callable[[], T], seconds: float = 120.0) -> T:
    """What `look()` returns once it is true; AssertionError with `what` and the last answer after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"{what}: not after {seconds:.0f} s; last seen: {found!r}"
        time.sleep(0.05)
