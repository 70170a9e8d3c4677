"""Lines that a library logs at each of its tries, let through with growing pauses.

aiokafka says several lines at every try, ten tries a second, for as long as a broker is away: over a night that fills
a disk and hides what matters. Owns what is passed over and for how long; formats nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

FIRST, LONGEST = 1.0, 60.0


@dataclass
class _Line:
    """One text of one logger: when it was shown and seen last (seconds), the pause after it, how many were hidden."""

    shown: float
    seen: float
    pause: float = FIRST
    hidden: int = 0


class Repeats(logging.Filter):
    """Of the loggers below `names`, each text once, then after 1 s, 2 s, 4 s and at most every minute while it goes on.

    A text is the template, before its arguments. After a minute without it, it is new again.
    """

    def __init__(self, *names: str, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._names = names
        self._clock = clock
        self._lines: dict[tuple[str, str], _Line] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.split(".")[0] not in self._names:
            return True
        now, key = self._clock(), (record.name, str(record.msg))
        line = self._lines.get(key)
        if line is None or now - line.seen > LONGEST:
            self._lines[key] = _Line(now, now)
            return True
        line.seen = now
        if now - line.shown < line.pause:
            line.hidden += 1
            return False
        if line.hidden:
            record.msg, record.args = (
                f"{record.getMessage()} ({line.hidden} more like it since the last)",
                None,
            )
        line.shown, line.hidden, line.pause = now, 0, min(2 * line.pause, LONGEST)
        return True
