"""Taking up views whose backfill is complete: what there is of them is restored beside the flushes.

Owns the looks under way, one a task. Opening the task again, at the offsets where history ended, is the engine's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiokafka import TopicPartition

from agents.task import Life, Task


class TakingUp:
    """`look(task)`: whether a view that waits in it has got its history, which is then restored here."""

    def __init__(self, look: Callable[[Task], Awaitable[bool]]) -> None:
        self._look = look
        self._looking: dict[TopicPartition, asyncio.Future[bool]] = {}

    async def ready(self, task: Task) -> bool:
        """Whether the task is to be opened again, so that a view of it begins. False if that was stopped.

        UnavailableError if Kafka does not answer.
        """
        if not task.waiting or task.life is not Life.OPEN or task.tp in self._looking:
            return False
        looking = self._looking[task.tp] = asyncio.ensure_future(self._look(task))
        await asyncio.wait([looking])
        if self._looking.get(task.tp) is looking:
            del self._looking[task.tp]
        return not looking.cancelled() and looking.result() and task.life is Life.OPEN

    async def stop(self, tp: TopicPartition) -> None:
        """Look no more. When it returns nothing of the partition is being written."""
        looking = self._looking.pop(tp, None)
        if looking is not None:
            looking.cancel()
            await asyncio.wait([looking])

    async def stop_all(self) -> None:
        """As `stop`, of every partition."""
        for tp in list(self._looking):
            await self.stop(tp)
