"""A wall clock that can be moved: put this folder on PYTHONPATH, and microseconds into the file FAULTS_CLOCK names.

Python imports a module of this name at its start. Monotonic clocks stay as they are, as when a machine's clock is set.
"""

import os
import time

_FILE = os.environ.get("FAULTS_CLOCK")


def _offset() -> int:
    try:
        with open(str(_FILE)) as file:
            return int(file.read() or 0)
    except (OSError, ValueError):
        return 0  # while it is being written


if _FILE:
    _time_ns = time.time_ns
    time.time_ns = lambda: _time_ns() + 1000 * _offset()
    time.time = lambda: time.time_ns() / 1e9
