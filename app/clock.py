"""Where time comes from in a running process; everywhere else it is handed in."""

from __future__ import annotations

import time


def now_us() -> int:
    """Wall clock: microseconds since the Unix epoch, UTC."""
    return time.time_ns() // 1000
