"""Ctrl-C while a command waits for a store that is silent: Python's main thread learns of it only between two calls.

So what may wait runs beside it. Owns how such work is told to end, and that it leaves no scratch; refuses to undo what
is written.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

T = TypeVar("T")

GRACE = 2.0
"""Seconds that work has to end by itself."""

INTERRUPTED = 130


class Interruption(BaseException):
    """Ends work that was told to."""


def interruptible(work: Callable[[Path, Callable[[], None]], T]) -> T:
    """What `work(scratch, check)` returns or raises; it runs in a thread of its own.

    `work` keeps its scratch in that folder and calls `check` between two of its steps, which ends it after Ctrl-C. One
    that does not come to it within `GRACE` is left behind, without its folder: `leave` ends the process then.
    """
    told, ended = threading.Event(), threading.Event()
    made: list[T] = []
    errors: list[BaseException] = []

    def check() -> None:
        if told.is_set():
            raise Interruption

    def body() -> None:
        try:
            made.append(work(scratch, check))
        except BaseException as exc:
            errors.append(exc)
        finally:
            ended.set()

    with TemporaryDirectory(prefix="headrace-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        threading.Thread(target=body, daemon=True).start()
        try:
            while not ended.wait(0.5):  # a thread whose join Ctrl-C cuts short counts as ended
                pass
        except KeyboardInterrupt:
            told.set()
            ended.wait(GRACE)
            raise
    if errors:
        raise errors[0]
    return made[0]


def leave() -> None:
    """End an interrupted process at once where threads are still at work: they would keep it until a store answers."""
    if any(t is not threading.main_thread() and not t.daemon for t in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)
