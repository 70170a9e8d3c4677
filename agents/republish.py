"""Entities written online again because somebody asked (`headrace republish`): who takes a request up, and when it
is done.

Owns the way from a request to the entities of open tasks. Values are not computed here: the engine's next flushes
write what was asked for, as they write anything else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from agents.shuffle import target_of
from agents.stages import ViewStage
from agents.task import Life, Task
from headrace.online.requests import Request, Requests
from headrace.panes.heads import head_keys

log = logging.getLogger("headrace.engine")


@dataclass
class Taken:
    """A request that a task has taken up: done once `Task.written` reaches `asked`."""

    id: str
    generation: int
    asked: int
    resent: int
    """`Task.resent` when it was taken up."""


class Republisher:
    """Takes requests up for the tasks of a worker. `partitions`: repartition topic -> its partition count."""

    def __init__(self, requests: Requests, partitions: Mapping[str, int]) -> None:
        self._requests = requests
        self._partitions = partitions
        self._taken: dict[tuple[str, str], Taken] = {}

    async def look(self, tasks: Iterable[Task]) -> None:
        """Take up what is asked of these tasks, and tell what is done."""
        here = [t for t in tasks if t.life is Life.OPEN]
        found = await asyncio.to_thread(self._requests.look)
        ids = {r.id for r in found}
        self._taken = {k: v for k, v in self._taken.items() if v.id in ids}
        for request in found:
            for task in here:
                await self._serve(request, task)

    async def _serve(self, request: Request, task: Task) -> None:
        place = f"{task.tp.topic}:{task.tp.partition}"
        table = task.tables.get(request.view)
        if table is None or place in request.done or task.life is not Life.OPEN:
            return
        taken = self._taken.get((request.id, place))
        if taken is not None and taken.generation == task.generation:
            if task.written >= taken.asked:
                count = task.resent[request.view] - taken.resent
                await asyncio.to_thread(self._requests.done, request.id, place, count)
                log.info("%s: %d entities of %s written again", task.name, count, request.view)
                del self._taken[request.id, place]
            return
        resent = task.resent[request.view]
        if request.keys is None:
            asked = task.sweep(request.view)
        else:
            asked = task.again(request.view, self._wanted(request.view, request.keys, task))
        self._taken[request.id, place] = Taken(request.id, task.generation, asked, resent)

    def _wanted(self, view_id: str, keys: Sequence[str], task: Task) -> list[bytes]:
        """The entities of a task that a request asks for. One that is not known is for the partition that is sure
        to be its own: there it is removed.
        """
        if isinstance(task.stage, ViewStage):
            count = self._partitions[task.tp.topic]
            return [k.encode() for k in keys if target_of(k, count) == task.tp.partition]
        values = task.tables[view_id].read(head_keys(pl.Series(keys, dtype=pl.String)))
        return [k.encode() for k, value in zip(keys, values, strict=True) if value is not None]
