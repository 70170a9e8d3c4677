"""A process of offline work gives way to what serves: it gets the cores that nobody else wants.

Measured in bench/beside.py. Refuses to take priority from, or give it to, any other process.
"""

from __future__ import annotations

import os
from contextlib import suppress

NICE = 19


def give_way() -> None:
    """Lower the priority of this process for good, as `nice -n 19` does. First thing: threads that run already keep
    theirs. Does nothing where it was lowered by hand before, or where the system has no such thing.
    """
    with suppress(AttributeError, OSError):
        if os.nice(0) <= 0:
            os.nice(NICE)
