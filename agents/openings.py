"""Openings under way, one a task, each tried again with growing pauses while a component is away.

What an attempt does, and what follows when one has succeeded, is given; an error that time does not mend is a crash.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiokafka import TopicPartition

from agents.taking_up import TakingUp
from agents.task import Task
from headrace.errors import FencedError, HeadraceError, UnavailableError

log = logging.getLogger("headrace.engine")

Step = Callable[[Task], Awaitable[None]]


class Openings:
    """`attempt` opens a task, once; `opened` is called when it is. A fenced one waits `fenced_pause` seconds."""

    def __init__(
        self,
        taking_up: TakingUp,
        attempt: Step,
        opened: Step,
        crash: Callable[[BaseException], Awaitable[None]],
        fenced_pause: float,
    ) -> None:
        self._taking_up = taking_up
        self._attempt = attempt
        self._opened = opened
        self._crash = crash
        self._fenced_pause = fenced_pause
        self._under_way: dict[TopicPartition, asyncio.Task[None]] = {}

    def __contains__(self, tp: TopicPartition) -> bool:
        return tp in self._under_way

    def __len__(self) -> int:
        return len(self._under_way)

    def begin(self, task: Task, after: float) -> None:
        """Open a task `after` so many seconds; what is being taken up in it is stopped at once."""
        self._under_way[task.tp] = asyncio.create_task(self._keep_on(task, after), name=f"open {task.name}")

    async def stop(self, tp: TopicPartition) -> None:
        """Give the opening of a partition up, if there is one. When this returns, nothing of it goes on."""
        opening = self._under_way.pop(tp, None)
        if opening is not None:
            opening.cancel()
            await asyncio.wait([opening])

    async def stop_all(self) -> None:
        """As `stop`, of every partition."""
        for tp in list(self._under_way):
            await self.stop(tp)

    async def _keep_on(self, task: Task, after: float) -> None:
        attempt = 0
        try:
            await self._taking_up.stop(task.tp)
            await asyncio.sleep(after)
            while True:
                why: HeadraceError
                try:
                    await self._attempt(task)
                    break
                except UnavailableError as exc:
                    why, pause = exc, min(0.2 * 2**attempt, 10.0)
                except FencedError as exc:
                    # Somebody opened it after us. If it is still ours by assignment, the last one to open wins.
                    why, pause = exc, self._fenced_pause
                attempt += 1
                log.warning("%s: waiting %.1f s: %s", task.name, pause, why)
                await asyncio.sleep(pause)
            await self._opened(task)
        except asyncio.CancelledError:
            raise
        except BaseException as exc:
            await self._crash(exc)
        finally:
            self._under_way.pop(task.tp, None)
