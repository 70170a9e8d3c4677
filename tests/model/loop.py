"""An event loop without time or chance: it runs until nothing can go on, and threads take turns.

Time stands still until `advance`. A call for another thread runs at once; where its process may be held inside it, on
a thread that has the only turn until it is done or held.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any


class Fiber:
    """Work on a thread of its own, which moves only inside `resume`."""

    current: Fiber | None = None

    def __init__(self, work: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> None:
        self._work = work
        self._done = done
        self._mine, self._theirs = threading.Semaphore(0), threading.Semaphore(0)
        self._thread: threading.Thread | None = None
        self._result: tuple[Any, BaseException | None] | None = None

    def resume(self) -> None:
        """Run until the work is done, or `hold` is called in it."""
        before, Fiber.current = Fiber.current, self
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        else:
            self._mine.release()
        self._theirs.acquire()
        Fiber.current = before
        if self._result is not None:
            self._thread.join()
            self._done(*self._result)

    def hold(self) -> None:
        """Called inside the work: give the turn back until the next `resume`."""
        self._theirs.release()
        self._mine.acquire()

    def _run(self) -> None:
        try:
            self._result = self._work(), None
        except BaseException as exc:
            self._result = None, exc
        self._theirs.release()


class TurnLock:
    """In place of a `threading.Lock` that is held across steps: who waits for it gives the turn back."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._taken = False
        self._waiting: list[Fiber] = []

    def __enter__(self) -> None:
        while self._taken:
            fiber = Fiber.current
            assert fiber is not None, "nobody is there to let the lock go"
            self._waiting.append(fiber)
            fiber.hold()
        self._taken = True

    def __exit__(self, *exc: object) -> None:
        self._taken = False
        if self._waiting:
            self._loop.call_soon(self._waiting.pop(0).resume)


class StillLoop(asyncio.BaseEventLoop):
    """Runs what can run; `settle` returns when everything waits for time or for a step that is held.

    `holds()`: whether the calling process may be held, so that its thread work needs a fiber.
    """

    def __init__(self, holds: Callable[[], bool]) -> None:
        super().__init__()
        self._selector = self
        self._scheduled: list[asyncio.TimerHandle]  # BaseEventLoop's, in order of time
        self._now = 0.0
        self._holds = holds

    def time(self) -> float:
        return self._now

    def settle(self) -> None:
        self.call_soon(lambda: None)
        self.run_forever()

    def advance(self, seconds: float) -> None:
        """Let time pass, a timer at a time."""
        end = self._now + seconds
        self.settle()
        while True:
            waiting = [t.when() for t in self._scheduled if not t.cancelled() and t.when() <= end]
            if not waiting:
                break
            self._now = max(self._now, min(waiting)) + 1e-9
            self.settle()
        self._now = max(end, self._now)
        self.settle()

    def select(self, timeout: float | None) -> list[Any]:
        """In place of a selector: nothing is ready, so this is the end of what can run."""
        if timeout is None or timeout > 0:
            self.stop()
        return []

    def _process_events(self, events: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self.create_future()

        def done(result: Any, error: BaseException | None) -> None:
            if future.cancelled():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        if self._holds():
            Fiber(lambda: func(*args), done).resume()
            return future
        try:
            done(func(*args), None)
        except BaseException as exc:
            done(None, exc)
        return future
