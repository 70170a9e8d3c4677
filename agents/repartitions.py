"""Housekeeping of repartition topics: what every receiver has durably counted may go.

Retention of these topics is unlimited, so that nothing is lost while a receiver is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from agents.stages import ViewStage
from agents.task import Life, Task
from tables.kafka.topics import Topics
from tables.marker import source as source_partition


async def drop_counted(tasks: Iterable[Task], topics: Topics) -> None:
    """Delete the records of repartition topics below the durable positions of open tasks."""
    positions: dict[tuple[str, int], int] = {}
    for task in tasks:
        if isinstance(task.stage, ViewStage) and task.life is Life.OPEN:
            name = source_partition(*task.tp)
            counted = min((t.marker.positions.get(name, 0) for t in task.books), default=0)
            positions[task.tp.topic, task.tp.partition] = counted
    if positions:
        await asyncio.to_thread(topics.delete_below, positions)
