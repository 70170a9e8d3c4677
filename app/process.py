"""A long-running process of ours: logging, waiting for Kafka, Faust's worker, and how it ends by itself."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import faust
import typer

from app.faust_app import HeadraceApp
from app.kafka import Cluster, connect
from app.repeats import Repeats
from headrace.errors import HeadraceError, UnavailableError, UsageError
from headrace.settings import Settings

log = logging.getLogger("headrace")

NOISY = ("aiokafka", "faust", "mode")
DRAIN_SECONDS = 60.0
CRASH_SECONDS = 10.0
"""Faust may wait for good for a consumer whose thread a crash in a rebalance has ended before it."""
AGAIN_SECONDS = 1.0  # a terminal and a parent process may both pass on the same Ctrl-C


def configure_logging(settings: Settings) -> None:
    """Our log on standard error: Rich lines on a terminal, plain or JSON lines elsewhere."""
    handler: logging.Handler
    if settings.log.format == "json":
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_JsonFormatter())
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.logging import RichHandler

        handler = RichHandler(console=Console(stderr=True), show_path=False)
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    handler.addFilter(_Told())
    handler.addFilter(Repeats(*NOISY))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    log.setLevel(settings.log.level.upper())
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.ERROR)


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        import orjson

        said = {
            "at": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(said).decode()


class _Told(logging.Filter):
    """Of an error of ours, which says what to do, one line and no traceback, though Faust tells of it once more."""

    def __init__(self) -> None:
        super().__init__()
        self._told: object = None

    def filter(self, record: logging.LogRecord) -> bool:
        found = record.exc_info[1] if record.exc_info else None
        if found is None and isinstance(record.args, tuple) and record.args:
            self._told = record.args[0]
        if not isinstance(found, HeadraceError):
            return True
        if found is self._told:
            return False
        record.msg, record.args, record.exc_info = "stopping: %s", (found,), None
        self._told = found
        return True


@contextmanager
def said_in_the_log(settings: Settings) -> Iterator[None]:
    """Where the log is JSON, an error of ours that ends the process is a line of it, too; elsewhere it passes."""
    try:
        yield
    except HeadraceError as error:
        if settings.log.format != "json":
            raise
        log.error("stopping: %s", error)
        raise typer.Exit(2 if isinstance(error, UsageError) else 1) from None


def wait_for_kafka(
    settings: Settings,
    sleep: Callable[[float], None],
    patience: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Cluster:
    """The cluster, once it answers; says what it waits for.

    With `patience`, after so many seconds (of `clock`) the UnavailableError is raised.
    """
    attempt, end = 0, math.inf if patience is None else clock() + patience
    while True:
        try:
            return connect(settings.kafka, timeout=max(min(5.0, end - clock()), 0.1))
        except UnavailableError as exc:
            attempt += 1
            left = end - clock()
            if left <= 0:
                raise
            log.warning("waiting for Kafka: %s", exc)
            sleep(min(0.5 * 2**attempt, 10.0, left))


def run(
    app: HeadraceApp,
    *,
    close: Callable[[], Awaitable[None]],
    idle: Callable[[], bool],
    caught_up: Callable[[], Awaitable[bool]],
    progress: Callable[[], int],
    for_seconds: float | None,
    until_idle: float | None,
) -> int:
    """Run a Faust app until SIGTERM or SIGINT, or for a time, or until it has been idle for a time.

    `close()` is awaited last of all. `idle()`: nothing is at hand; `caught_up()`: nothing is on the topics
    either, asked when it has been idle for so long; `progress()`: a number that changes while there is work.
    Returns the exit code: 0, or 1 if the app crashed or could not be closed.
    """

    app.close = close
    app.crashing = _no_longer_than(CRASH_SECONDS)

    async def ending() -> None:
        loop = asyncio.get_running_loop()
        begun = quiet = loop.time()
        last = -1
        while not app.should_stop:
            await asyncio.sleep(0.05)
            now, at = loop.time(), progress()
            if at != last or not idle():
                last, quiet = at, now
            if for_seconds is not None and now - begun >= for_seconds:
                break
            if until_idle is not None and now - quiet >= until_idle:
                with suppress(UnavailableError):  # nothing can be known of what is on the topics: not idle
                    if await caught_up():
                        break
                quiet = loop.time()
        if not app.should_stop:
            signal.raise_signal(signal.SIGTERM)

    if for_seconds is not None or until_idle is not None:  # else nothing wakes up to look
        app.task(ending)
    worker = _Worker(app, loglevel="WARNING", redirect_stdouts=False, quiet=True, override_logging=False)
    try:
        worker.execute_from_commandline()
    except SystemExit as exc:
        return int(exc.code or 0) or int(app.failure is not None)
    except Exception as exc:
        log.debug("ended by %r", exc)
        return 1
    return int(app.failure is not None)


class _Worker(faust.Worker):
    """Faust's worker, without its banner, spinner and logging."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.spinner = None

    def _setup_logging(self) -> Any:
        return None

    def _schedule_shutdown(self, signal: signal.Signals) -> None:
        """Drain; for no longer than DRAIN_SECONDS, nor than the next signal: Kafka or Redis may be away for good."""
        if self._signal_stop_time:
            if self.loop.time() - self._signal_stop_time > AGAIN_SECONDS:
                _end_at_once("asked again")
            return
        _no_longer_than(DRAIN_SECONDS)()
        super()._schedule_shutdown(signal)

    def _shutdown_loop(self) -> None:
        """Everything of ours is closed by now. Stock waits two seconds more for what it does not know."""
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        if self.crash_reason:
            raise self.crash_reason

    def say(self, *messages: Any, **options: Any) -> None:
        """Nothing: what there is to say goes through our log."""


def _no_longer_than(seconds: float) -> Callable[[], None]:
    """Called, and called again, it lets the process live for so long from the first call on."""
    patience = threading.Timer(seconds, _end_at_once, [f"not drained in {seconds:.0f} s"])
    patience.daemon = True

    def begin() -> None:
        if not patience.is_alive() and not patience.finished.is_set():
            with suppress(RuntimeError):  # two threads began at once
                patience.start()

    return begin


def _end_at_once(why: str) -> None:
    """End like a process that was killed: what was not written is read again from the topic."""
    log.error("ending without having drained, %s: what was not written will be read again", why)
    logging.shutdown()
    os._exit(1)
