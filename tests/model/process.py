"""A process of the model, and the steps at which it can be held, fail or be killed.

A step is one call to something outside: each has a moment before it takes effect and one after, when the answer is on
its way. A call that is held stops there, and only it: the rest of the process goes on, as it does when a network is
slow. What was held before its effect may still take effect after its process is dead: a request on the wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.model.loop import Fiber, StillLoop

T = TypeVar("T")
CURRENT: ContextVar[Process | None] = ContextVar("process", default=None)

BEFORE, AFTER = "before", "after"


class KilledError(BaseException):
    """The process is dead; what runs in it unwinds without touching anything."""


@dataclass
class Trap:
    """Hold the `left`-th call of `step`, before or after its effect."""

    step: str
    when: str
    left: int = 1


@dataclass
class Held:
    """A call that is held; `go(error)` lets it continue, or fail."""

    step: str
    when: str
    effect: Callable[[], Any]
    go: Callable[[BaseException | None], None]


@dataclass(eq=False)
class Process:
    name: str
    loop: StillLoop
    alive: bool = True
    traps: list[Trap] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    # -- called from inside the process

    async def call(self, step: str, effect: Callable[[], T]) -> T:
        await self._gate(step, BEFORE, effect)
        result = effect()
        await self._gate(step, AFTER, effect)
        return result

    def call_sync(self, step: str, effect: Callable[[], T]) -> T:
        self._gate_sync(step, BEFORE, effect)
        result = effect()
        self._gate_sync(step, AFTER, effect)
        return result

    async def _gate(self, step: str, when: str, effect: Callable[[], Any]) -> None:
        if not self.alive:
            raise KilledError
        if not self._trapped(step, when):
            return
        waiting: asyncio.Future[None] = self.loop.create_future()

        def go(error: BaseException | None) -> None:
            if waiting.done():
                return
            if error is None:
                waiting.set_result(None)
            else:
                waiting.set_exception(error)

        self.held.append(Held(step, when, effect, go))
        await waiting

    def _gate_sync(self, step: str, when: str, effect: Callable[[], Any]) -> None:
        if not self.alive:
            raise KilledError
        if not self._trapped(step, when):
            return
        fiber = Fiber.current
        assert fiber is not None, f"{step} is not called in a thread of its own"
        raised: list[BaseException] = []

        def go(error: BaseException | None) -> None:
            if error is not None:
                raised.append(error)
            fiber.resume()

        self.held.append(Held(step, when, effect, go))
        fiber.hold()
        if raised:
            raise raised[0]

    def _trapped(self, step: str, when: str) -> bool:
        if when == BEFORE:
            self.steps.append(step)
        for trap in self.traps:
            if trap.when == when and step.startswith(trap.step):
                trap.left -= 1
                if trap.left == 0:
                    self.traps.remove(trap)
                    return True
        return False

    # -- called from outside

    def start(self, work: Any, name: str) -> asyncio.Task[Any]:
        """Run a coroutine in this process."""
        token = CURRENT.set(self)
        try:
            return self.loop.create_task(work, name=f"{self.name} {name}")
        finally:
            CURRENT.reset(token)

    def release(self, error: BaseException | None = None) -> None:
        """Let every held call go on, or fail with `error`."""
        held, self.held = self.held, []
        for call in held:
            call.go(error)
        self.loop.settle()

    def kill(self) -> list[Callable[[], Any]]:
        """`kill -9`. Returns the requests that were on the wire and may still arrive."""
        self.alive = False
        self.traps.clear()
        wire = [call.effect for call in self.held if call.when == BEFORE]
        self.release(KilledError())
        for _ in range(100):
            left = [task for task in self.tasks if not task.done()]
            if not left:
                return wire
            for task in left:
                task.cancel()
            self.loop.settle()
        raise AssertionError(f"{self.name} does not die: {left}")
